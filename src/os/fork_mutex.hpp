// SPDX-License-Identifier: BSL-1.0
// A mutex between the threads of one process, which a forked child finds free.
//
// A thread that held it in the parent does not exist in the child and would never let go. What it
// guards may be half-way through a change in the child: the holder's owner decides what is left
// of it there (fork_generation() tells).
#pragma once
#include <atomic>
#include <cstdint>

namespace multiprocessing::os {

/// How many forks lie between the first process of this program and this one.
[[nodiscard]] std::uint32_t fork_generation() noexcept;

/// Another number than before as soon as this process forks, and in the child: somebody else has
/// what was made earlier.
[[nodiscard]] std::uint32_t fork_count() noexcept;

class ForkMutex {
 public:
  ForkMutex() = default;
  ForkMutex(const ForkMutex&) = delete;
  ForkMutex& operator=(const ForkMutex&) = delete;

  void lock() noexcept;
  void unlock() noexcept;

 private:
  std::atomic<std::uint32_t> word_{0};  // generation:30 state:2
};

}  // namespace multiprocessing::os
