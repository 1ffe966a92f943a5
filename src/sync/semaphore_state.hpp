// SPDX-License-Identifier: BSL-1.0
// What a Semaphore is in shared memory: one word with the permits that are left.
//
// word := permits:31 sleepers:1
//
// Death: permits are signals and nobody holds them, so there is nothing to give back. A waiter that
// is killed after it was woken costs the others one poll interval.
#pragma once
#include <atomic>
#include <cstdint>
#include <multiprocessing/timeout.hpp>

#include "memory/object.hpp"
#include "os/clock.hpp"
#include "sync/lock_word.hpp"

namespace multiprocessing::sync {

inline constexpr std::uint32_t kMaxPermits = 0x7fff'ffff;  // Python's SEM_VALUE_MAX

class SemaphoreState : public memory::ObjectHeader {
 public:
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kSemaphore;

  explicit SemaphoreState(std::uint32_t permits, bool bounded = false) noexcept
      : word_(permits), bounded_(bounded) {}

  bool take(std::uint32_t permits, Timeout timeout) noexcept {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    while (permits_in(seen) >= permits) {
      if (word_.compare_exchange_weak(seen, seen - permits, std::memory_order_acquire)) return true;
    }
    return take_slowly(permits, os::Deadline::after(timeout));
  }
  /// False, and nothing changed, if that would be more than kMaxPermits.
  bool give(std::uint32_t permits) noexcept {
    std::uint32_t seen = word_.load(std::memory_order_relaxed);
    // Nobody sleeps and it does not become too many.
    const bool easy = seen <= kMaxPermits - permits;
    if (easy && word_.compare_exchange_strong(seen, seen + permits)) [[likely]]
      return true;
    return give_slowly(permits);
  }
  [[nodiscard]] std::uint32_t left() const noexcept { return permits_in(word_.load()); }
  [[nodiscard]] bool bounded() const noexcept { return bounded_; }

 protected:
  static std::uint32_t permits_in(std::uint32_t word) noexcept { return word & ~kWaiters; }

  /// For who sleeps for several permits, before it sleeps.
  void want_many() noexcept { many_.store(1); }
  /// Wakes whom `permits` may be enough for.
  void wake(std::uint32_t permits) noexcept;

  os::FutexWord word_;

 private:
  bool take_slowly(std::uint32_t permits, const os::Deadline& deadline) noexcept;
  bool give_slowly(std::uint32_t permits) noexcept;

  // Set while somebody may sleep for several permits: then all are woken, because the kernel
  // cannot tell for whom a few are enough.
  std::atomic<std::uint32_t> many_{0};
  bool bounded_;
};
static_assert(sizeof(SemaphoreState) == 80);

}  // namespace multiprocessing::sync
