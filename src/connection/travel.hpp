// SPDX-License-Identifier: BSL-1.0
// A Connection in a message.
//
// connection := way:u8 shared:handle end:fd options    way: Way, 4 readable, 8 writable, 16 end
// shared     := of a Pipe; of a stream, what was read ahead, if anybody may
// options    := max_message_bytes:u64 pickle:u8        of a stream; a Pipe has none
#pragma once
#include <cstdint>

namespace multiprocessing::connection {

enum class Way : std::uint8_t {
  kPipe,   ///< an end of a Pipe
  kStream  ///< a stream socket; it has no pipe
};

/// `end`: which one of a Pipe, 0 or 1.
constexpr std::uint8_t way_bits(Way way, bool readable, bool writable, unsigned end = 0) noexcept {
  return static_cast<std::uint8_t>(static_cast<unsigned>(way) | (readable ? 4U : 0U) |
                                   (writable ? 8U : 0U) | end << 4);
}

}  // namespace multiprocessing::connection
