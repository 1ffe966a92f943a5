// SPDX-License-Identifier: BSL-1.0
#include "os/fork_mutex.hpp"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace multiprocessing::os {
namespace {

constexpr std::uint32_t kFree = 0;
constexpr std::uint32_t kHeld = 1;
constexpr std::uint32_t kAwaited = 2;  // held, and somebody sleeps

constinit std::atomic<std::uint32_t> generation{0};
constinit std::atomic<std::uint32_t> forks{0};

// Before all other constructors: what they have done in a child finds mutexes free already.
[[gnu::constructor(101)]] void count_forks() {
  ::pthread_atfork([] { forks.fetch_add(1, std::memory_order_relaxed); }, nullptr,
                   [] { generation.fetch_add(1, std::memory_order_relaxed); });
}

std::uint32_t word_of(std::uint32_t state) noexcept { return fork_generation() << 2 | state; }

bool is_free(std::uint32_t word) noexcept {
  return (word & 3) == kFree || word >> 2 != (fork_generation() & 0x3fff'ffff);
}

}  // namespace

std::uint32_t fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

std::uint32_t fork_count() noexcept { return forks.load(std::memory_order_relaxed); }

void ForkMutex::lock() noexcept {
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  // Who has slept does not know who else sleeps, and leaves the mark for its own unlock.
  std::uint32_t state = kHeld;
  for (;;) {
    if (is_free(seen)) {
      if (word_.compare_exchange_weak(seen, word_of(state), std::memory_order_acquire)) return;
      continue;
    }
    state = kAwaited;
    if (seen != word_of(kAwaited) &&
        !word_.compare_exchange_weak(seen, word_of(kAwaited), std::memory_order_relaxed)) {
      continue;
    }
    ::syscall(SYS_futex, &word_, FUTEX_WAIT_PRIVATE, word_of(kAwaited), nullptr, nullptr, 0);
    seen = word_.load(std::memory_order_relaxed);
  }
}

void ForkMutex::unlock() noexcept {
  if ((word_.exchange(word_of(kFree), std::memory_order_release) & 3) == kAwaited) {
    ::syscall(SYS_futex, &word_, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
  }
}

}  // namespace multiprocessing::os
