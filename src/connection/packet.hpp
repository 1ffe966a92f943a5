// SPDX-License-Identifier: BSL-1.0
// How a message travels through a Pipe: as one packet, so that it comes whole or not at all,
// however many processes send and receive and whoever of them is killed.
//
// packet      := header body                  body of total_bytes, up to kBodyBytes
//              | header                       with kElsewhere
// descriptors := [body's pipe] [envelope] fd*
//
// With kElsewhere the body waits in a pipe of its own (os/rendezvous_pipe.hpp). With kEnvelope
// there are more descriptors than fit on a packet; all of them ride on packets in a socket.
#pragma once
#include <cstddef>
#include <cstdint>

namespace multiprocessing::connection {

struct PacketHeader {
  static constexpr std::uint32_t kMark = 0x6d70'0003;
  static constexpr std::uint32_t kElsewhere = 1;
  static constexpr std::uint32_t kEnvelope = 2;

  std::uint32_t mark;         ///< kMark
  std::uint32_t type;         ///< the message's fingerprint; 0: plain bytes
  std::uint64_t total_bytes;  ///< of the body
  std::uint64_t bag;          ///< handles in flight (pipe_state.hpp); 0: none
  std::uint32_t descriptors;  ///< of the message, body's pipe and envelope not counted
  std::uint32_t flags;
};
static_assert(sizeof(PacketHeader) == 32);

/// Asked of the kernel, which gives that to everybody, and books twice as much.
inline constexpr int kSendRoom = 212'992;
/// Longer bodies go elsewhere; more than a packet can be only where the kernel gave less room.
inline constexpr std::size_t kBodyBytes = std::size_t{256} * 1024;

}  // namespace multiprocessing::connection
