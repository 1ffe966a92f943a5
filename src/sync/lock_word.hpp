// SPDX-License-Identifier: BSL-1.0
// The word that all locks are made of, and the lock that guards shared structures of our own.
//
// word := 0                        free
//       | serial [kWaiters]        held by that process; with the bit, somebody may sleep on it
//       | kSealed                  nobody may take it until it is unsealed
//
// Death: the word of a dead holder stands until another process sees it, which it does at its next
// look or by the holder's life word, on which it sleeps too. A waiter that is killed after it was
// woken costs the others one poll interval.
#pragma once
#include <cstdint>

#include "memory/identity.hpp"
#include "os/clock.hpp"
#include "os/futex.hpp"

namespace multiprocessing::sync {

using memory::kWaiters;
using memory::Serial;

/// Stands in a lock word whose holder died, where nobody may take over before a repair; no
/// process has this serial.
inline constexpr std::uint32_t kSealed = 2;

inline constexpr Serial owner_in(std::uint32_t word) { return word & ~kWaiters; }

struct LockAttempt {
  enum Outcome : std::uint8_t { kTimedOut, kTaken, kOwnerDied, kSealedOff };
  Outcome outcome;
  Serial dead_owner = memory::kNobody;  ///< with kOwnerDied: who; the word is as it was
};

/// One try without looking at who holds it.
inline bool take_if_free(os::FutexWord& word, Serial me) noexcept {
  std::uint32_t free = 0;
  return word.compare_exchange_strong(free, me, std::memory_order_acquire,
                                      std::memory_order_relaxed);
}

/// Waits for the lock; a dead holder ends the wait. A deadline that has passed still gets one look.
LockAttempt take_or_wait(os::FutexWord& word, Serial me, const os::Deadline& deadline) noexcept;

/// Frees the word whoever holds it; false if it was free or sealed.
bool free_word(os::FutexWord& word) noexcept;

enum class Acquired : std::uint8_t {
  kTimedOut,
  kYes,
  kAfterDeath  ///< yes, and the holder before it died: repair what the lock guards
};

/// A lock for structures that can be repaired by whoever comes next. Zero is its free state. Held
/// by a process: a thread must release what it acquired, and not acquire it twice.
struct RawLock {
  os::FutexWord word;

  [[nodiscard]] Acquired acquire(const os::Deadline& deadline = os::Deadline::never()) {
    const Serial me = memory::self();
    return take_if_free(word, me) ? Acquired::kYes : acquire_slowly(me, deadline);
  }
  void release() noexcept {
    // acquire_release: what was written under the lock comes first, the sleepers are looked at
    // last.
    const std::uint32_t before = word.exchange(0, std::memory_order_seq_cst);
    if ((before & kWaiters) != 0) os::futex_wake(word, 1);
  }
  [[nodiscard]] bool held_by_dead() const noexcept {
    return memory::dead(owner_in(word.load(std::memory_order_relaxed)));
  }

 private:
  Acquired acquire_slowly(Serial me, const os::Deadline& deadline);
};
static_assert(sizeof(RawLock) == 4);

/// Releases at the end of the scope.
class RawLockGuard {
 public:
  explicit RawLockGuard(RawLock& acquired) noexcept : lock_(&acquired) {}
  RawLockGuard(const RawLockGuard&) = delete;
  RawLockGuard& operator=(const RawLockGuard&) = delete;
  ~RawLockGuard() { lock_->release(); }

 private:
  RawLock* lock_;
};

}  // namespace multiprocessing::sync
