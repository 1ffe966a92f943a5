// SPDX-License-Identifier: BSL-1.0
// What a forked child inherits of the calling thread without anybody naming it.
#pragma once
#include <cstdint>

namespace multiprocessing::os {

/// Signal N is the bit N - 1.
struct Inherited {
  std::uint64_t umask = 0;
  std::uint64_t blocked = 0;
  std::uint64_t ignored = 0;

  friend bool operator==(const Inherited&, const Inherited&) = default;
};

/// Those of the calling thread. THROWS: std::system_error.
[[nodiscard]] Inherited inherited();

/// Ignores those signals, and no others.
void ignore_signals(std::uint64_t ignored) noexcept;

/// Blocks those signals in the calling thread, and no others.
void block_signals(std::uint64_t blocked) noexcept;

[[nodiscard]] constexpr std::uint64_t signal_bit(int signal) noexcept {
  return std::uint64_t{1} << (signal - 1);
}

}  // namespace multiprocessing::os
