// SPDX-License-Identifier: BSL-1.0
// How a message travels through a Pipe.
//
// frame  := header body               in the lane (lane.hpp), which holds every message, in order
//         | header                    with kPacket: the rest is the packet of that number
// packet := header body               in the socket; a body of total_bytes, up to kPacketBodyBytes
//         | header                    with kElsewhere
//         | header                    with kBell
// descriptors on a packet := [body's pipe] [envelope] fd*
//
// A packet comes whole or not at all, and so does a frame. With kElsewhere the body waits in a pipe
// of its own (os/rendezvous_pipe.hpp). With kEnvelope there are more descriptors than fit on a
// packet; all of them ride on packets in a socket. A bell makes the socket readable for messages
// that are in the lane alone.
#pragma once
#include <cstddef>
#include <cstdint>

namespace multiprocessing::connection {

struct PacketHeader {
  static constexpr std::uint32_t kMark = 0x6d70'0004;
  static constexpr std::uint32_t kElsewhere = 1;
  static constexpr std::uint32_t kEnvelope = 2;
  static constexpr std::uint32_t kPacket = 4;
  static constexpr std::uint32_t kBell = 8;

  std::uint32_t mark = kMark;
  std::uint32_t type = 0;         ///< the message's fingerprint; 0: plain bytes
  std::uint64_t total_bytes = 0;  ///< of the body
  std::uint64_t bag = 0;          ///< handles in flight (pipe_state.hpp); 0: none
  std::uint32_t descriptors = 0;  ///< of the message, body's pipe and envelope not counted
  std::uint32_t flags = 0;
  std::uint64_t number = 0;  ///< of a packet: what its frame says too

  [[nodiscard]] bool has(std::uint32_t flag) const noexcept { return (flags & flag) != 0; }
};
static_assert(sizeof(PacketHeader) == 40);

/// Asked of the kernel, which gives that to everybody, and books twice as much.
inline constexpr int kSendRoom = 212'992;
/// Longer bodies go elsewhere; more than a packet can be only where the kernel gave less room.
inline constexpr std::size_t kPacketBodyBytes = std::size_t{256} * 1024;

}  // namespace multiprocessing::connection
