// SPDX-License-Identifier: BSL-1.0
// How a message lies in the packets of a Pipe.
//
// message := packet(first) packet(more)*      as many as total_bytes needs
// packet  := header byte[up to kBodyBytes]
#pragma once
#include <cstddef>
#include <cstdint>

namespace multiprocessing::connection {

struct PacketHeader {
  static constexpr std::uint32_t kFirst = 0x6d70'0001;
  static constexpr std::uint32_t kMore = 0x6d70'0002;

  std::uint32_t mark;         ///< kFirst or kMore
  std::uint32_t type;         ///< the message's fingerprint; 0: plain bytes
  std::uint64_t total_bytes;  ///< of the message
  std::uint64_t bag;          ///< handles in flight (pipe_state.hpp); 0: none
  std::uint32_t sender;       ///< the sending process's serial
  std::uint32_t number;       ///< of the message, among the sender's
};
static_assert(sizeof(PacketHeader) == 32);

inline constexpr std::size_t kBodyBytes = 64 * 1024;

}  // namespace multiprocessing::connection
