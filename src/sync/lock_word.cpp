// SPDX-License-Identifier: BSL-1.0
#include "sync/lock_word.hpp"

#include "os/spin.hpp"

namespace multiprocessing::sync {
namespace {

// A critical section of the library is shorter than falling asleep and being woken.
constexpr std::int64_t kSpinNs = 2'000;

// Who sleeps is told of the death of the holder that it knows; if another took the lock meanwhile
// and died, it finds out by looking.
constexpr std::int64_t kLookNs = 8'000'000;

bool spin_for(os::FutexWord& word, Serial me) noexcept {
  os::Spin spin(kSpinNs);
  do {
    const std::uint32_t seen = word.load(std::memory_order_relaxed);
    if (seen == 0 && take_if_free(word, me)) return true;
    // Sleepers are there already: the lock is not free soon.
    if ((seen & kWaiters) != 0 || owner_in(seen) == kSealed) return false;
  } while (spin.back_off());
  return false;
}

}  // namespace

LockAttempt take_or_wait(os::FutexWord& word, Serial me, const os::Deadline& deadline) noexcept {
  if (!deadline.passed() && spin_for(word, me)) return {LockAttempt::kTaken};
  // One that slept may not be the only sleeper: it keeps the bit that makes release() wake.
  std::uint32_t as_taken = me;
  for (;;) {
    std::uint32_t seen = word.load(std::memory_order_acquire);
    if (seen == 0) {
      if (word.compare_exchange_weak(seen, as_taken, std::memory_order_acquire))
        return {LockAttempt::kTaken};
      continue;
    }
    const Serial owner = owner_in(seen);
    if (owner == kSealed) return {LockAttempt::kSealedOff};
    if (memory::dead(owner)) return {LockAttempt::kOwnerDied, owner};
    const bool slept = as_taken != me;
    if (!slept && deadline.passed()) return {LockAttempt::kTimedOut};
    // Also before giving up: the wake-up that this waiter may have used up stood for others too.
    if ((seen & kWaiters) == 0 &&
        !word.compare_exchange_weak(seen, seen | kWaiters, std::memory_order_relaxed)) {
      continue;
    }
    if (deadline.passed()) return {LockAttempt::kTimedOut};
    memory::wait_on(word, owner | kWaiters, owner, deadline, kLookNs);
    as_taken = me | kWaiters;
  }
}

bool free_word(os::FutexWord& word) noexcept {
  std::uint32_t seen = word.load(std::memory_order_relaxed);
  do {
    if (seen == 0 || seen == kSealed) return false;
  } while (!word.compare_exchange_weak(seen, 0, std::memory_order_seq_cst));
  if ((seen & kWaiters) != 0) os::futex_wake(word, 1);
  return true;
}

Acquired RawLock::acquire_slowly(Serial me, const os::Deadline& deadline) {
  for (;;) {
    const LockAttempt attempt = take_or_wait(word, me, deadline);
    if (attempt.outcome == LockAttempt::kTimedOut) return Acquired::kTimedOut;
    if (attempt.outcome == LockAttempt::kTaken) return Acquired::kYes;
    // Others may sleep, and the dead holder's release will not wake them: the bit stays.
    std::uint32_t seen = word.load(std::memory_order_relaxed);
    if (owner_in(seen) == attempt.dead_owner &&
        word.compare_exchange_strong(seen, me | kWaiters, std::memory_order_acquire)) {
      return Acquired::kAfterDeath;
    }
  }
}

}  // namespace multiprocessing::sync
