// SPDX-License-Identifier: BSL-1.0
#include "sync/lock_state.hpp"

#include <fmt/format.h>

#include <multiprocessing/errors.hpp>

#include "os/log.hpp"

namespace multiprocessing::sync {
namespace {

// The lock that this thread repairs, so that a repair that asks for another one is told at once
// and does not wait for itself.
thread_local const LockState* repairing = nullptr;

}  // namespace

constinit thread_local LostHolds<const LockState*> LockState::lost_here;

bool LockState::acquire_recursive(Serial me, Timeout timeout) {
  if (!take_if_free(word_, me) && !acquire_slowly(me, timeout)) return false;
  holder_.store(thread_name(me), std::memory_order_relaxed);
  depth_.store(1, std::memory_order_relaxed);
  return true;
}

bool LockState::acquire_slowly(Serial me, Timeout timeout) {
  const os::Deadline deadline = os::Deadline::after(timeout);
  for (;;) {
    const LockAttempt attempt = take_or_wait(word_, me, deadline);
    switch (attempt.outcome) {
      case LockAttempt::kTimedOut:
        return false;
      case LockAttempt::kTaken:
        return true;
      case LockAttempt::kSealedOff:
        throw_owner_died();
      case LockAttempt::kOwnerDied:
        if (!recovering_) {
          note_death(attempt.dead_owner);
        } else if (take_over(me, attempt.dead_owner)) {
          return true;
        }
    }
  }
}

void LockState::note_death(Serial dead_owner) {
  static_cast<void>(notice_.acquire());
  const RawLockGuard guard(notice_);
  std::uint32_t seen = word_.load();
  if (owner_in(seen) != dead_owner) return;
  dead_holder_.note(dead_owner);
  deaths_.fetch_add(1);
  // Sleepers may set their bit, and anybody may release a Lock, up to the last moment.
  while (owner_in(seen) == dead_owner && !word_.compare_exchange_weak(seen, kSealed)) {
  }
  os::futex_wake(word_);
}

bool LockState::take_over(Serial me, Serial dead_owner) {
  static_cast<void>(notice_.acquire());
  const RawLockGuard guard(notice_);
  std::uint32_t seen = word_.load();
  if (owner_in(seen) != dead_owner) return false;
  dead_holder_.note(dead_owner);
  deaths_.fetch_add(1);
  while (!word_.compare_exchange_weak(seen, me | kWaiters)) {
    if (owner_in(seen) != dead_owner) return false;
  }
  warn_of_death();
  return true;
}

void LockState::warn_of_death() const {
  os::log_warning(
      fmt::format("{}: its holder, {}, died; the lock was made with mp::recover and "
                  "is taken over as it is",
                  kind_name(), dead_holder_.text()));
}

void LockState::die_holding(std::int32_t pid, std::string_view name) {
  const Serial me = memory::self();
  static_cast<void>(notice_.acquire());
  const RawLockGuard guard(notice_);
  std::uint32_t seen = word_.load();
  if (owner_in(seen) != me) return;
  dead_holder_.note(pid, name);
  deaths_.fetch_add(1);
  holder_.store(0);
  depth_.store(0);
  while (owner_in(seen) == me && !word_.compare_exchange_weak(seen, recovering_ ? 0 : kSealed)) {
  }
  os::futex_wake(word_);
  if (recovering_) warn_of_death();
}

void LockState::throw_owner_died() {
  static_cast<void>(notice_.acquire());
  const RawLockGuard guard(notice_);
  throw OwnerDiedError(dead_holder_.pid, dead_holder_.name, 0, kind_name());
}

void LockState::release_slowly() {
  if (recursive_) {
    release_recursive(1);
    return;
  }
  const Serial owner = owner_in(word_.load());
  if (!recovering_ && memory::dead(owner)) note_death(owner);
  if (free_word(word_)) return;
  if (word_.load() == kSealed) throw_owner_died();
  throw ValueError("Lock: release() of a lock that nobody holds; acquire it first");
}

void LockState::release_recursive(std::uint32_t levels) {
  if (!held_here()) {
    throw AssertionError(
        "RLock: release() by a thread that does not hold it; only the thread that acquired it may "
        "release it");
  }
  const std::uint32_t left = depth_.load(std::memory_order_relaxed) - levels;
  depth_.store(left, std::memory_order_relaxed);
  if (left != 0) return;
  holder_.store(0, std::memory_order_relaxed);
  free_word(word_);
}

std::uint32_t LockState::release_all() {
  if (!recursive_) {
    let_go();
    return 1;
  }
  const std::uint32_t levels = depth_.load(std::memory_order_relaxed);
  release_recursive(levels);
  return levels;
}

void LockState::acquire_all(std::uint32_t levels, const Look& look) {
  const Timeout interval = look ? Timeout(std::chrono::nanoseconds(memory::kPollNs)) : forever;
  try {
    while (!take(interval)) look();
  } catch (...) {
    lost_here.add(this, levels);
    throw;
  }
  if (recursive_) depth_.store(levels, std::memory_order_relaxed);
}

bool LockState::broken(std::uint32_t word) noexcept {
  return word == kSealed || memory::dead(owner_in(word));
}

bool LockState::broken() const noexcept {
  const std::uint32_t seen = word_.load();
  // Looked at again: the holder may have let it go before it died.
  return broken(seen) && owner_in(word_.load()) == owner_in(seen);
}

void LockState::make_consistent(void (*repair)(void*), void* context, const Look& look) {
  if (!broken()) return;
  if (recovering_) {
    repair_taken_over(repair, context);
    return;
  }
  if (repairing == this) {
    throw RuntimeError(fmt::format("{}: make_consistent() inside of its own repair", kind_name()));
  }
  while (repair_.acquire(os::Deadline::after(std::chrono::nanoseconds(memory::kPollNs))) ==
         Acquired::kTimedOut) {
    look();
  }
  const RawLockGuard guard(repair_);
  const std::uint32_t seen = word_.load();
  if (!broken(seen)) return;
  if (seen != kSealed) note_death(owner_in(seen));
  if (word_.load() != kSealed) return;
  if (repair != nullptr) {
    struct Repairing {
      const LockState* before;
      ~Repairing() { repairing = before; }
    } const restore{std::exchange(repairing, this)};
    repair(context);
  }
  holder_.store(0);
  depth_.store(0);
  word_.store(0);
}

void LockState::repair_taken_over(void (*repair)(void*), void* context) {
  const Serial dead_owner = owner_in(word_.load());
  const Serial me = memory::self();
  if (!memory::dead(dead_owner) || !take_over(me, dead_owner)) return;
  if (recursive_) {
    depth_.store(1, std::memory_order_relaxed);
    holder_.store(thread_name(me), std::memory_order_relaxed);
  }
  struct Release {
    LockState* lock;
    ~Release() {
      try {
        lock->release_all();
      } catch (const Error&) {
        // Another process has released it meanwhile, as it may do with a Lock.
      }
    }
  } const release{this};
  if (repair != nullptr) repair(context);
}

}  // namespace multiprocessing::sync
