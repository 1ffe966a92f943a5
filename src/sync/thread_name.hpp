// SPDX-License-Identifier: BSL-1.0
// A name for each thread of each process that uses the arena.
#pragma once
#include <atomic>
#include <cstdint>

#include "memory/identity.hpp"

namespace multiprocessing::sync {

/// A number that no thread of this process has or will have; never 0.
inline std::uint32_t new_thread_number() noexcept {
  static std::atomic<std::uint32_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

/// A thread's number in its process; never used again there as a thread id of the kernel could be.
/// A forked child goes on counting, so it may have its parent's numbers.
inline std::uint32_t thread_number() noexcept {
  // Constant initialisation: reading it costs no guard.
  static thread_local std::uint32_t own = 0;
  if (own == 0) own = new_thread_number();
  return own;
}

/// Names the calling thread among those of all processes, in one word: two words could be read
/// while their owner changes, and the halves of two owners look like a third one. Never 0.
inline std::uint64_t thread_name(memory::Serial me,
                                 std::uint32_t number = thread_number()) noexcept {
  return std::uint64_t{me} << 32 | number;
}

}  // namespace multiprocessing::sync
