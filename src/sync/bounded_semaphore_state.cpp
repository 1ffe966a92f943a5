// SPDX-License-Identifier: BSL-1.0
#include "sync/bounded_semaphore_state.hpp"

#include <algorithm>
#include <climits>

#include "memory/layout.hpp"
#include "sync/patience.hpp"
#include "sync/thread_name.hpp"

namespace multiprocessing::sync {

std::size_t BoundedSemaphoreState::capacity_for(std::uint32_t bound) noexcept {
  // No more processes than that are alive; the accounts of dead ones are closed for room.
  return std::min<std::size_t>(bound, memory::kSlots);
}

bool BoundedSemaphoreState::enter(const os::Deadline& deadline) {
  const Acquired acquired = lock_.acquire(patience(deadline));
  if (acquired == Acquired::kAfterDeath) {
    if (redo_.armed.load() != 0) apply_redo();
    // It may have given permits and told nobody.
    os::futex_wake(word_);
  }
  return acquired != Acquired::kTimedOut;
}

void BoundedSemaphoreState::set(std::uint32_t index, const Account& account,
                                std::uint32_t word) noexcept {
  redo_.index = index;
  redo_.account = account;
  redo_.word = word;
  // release: what is to be redone is complete when `armed` says so. The fence keeps the compiler
  // from beginning earlier; a kill is no crash of the machine, so no more order than that is
  // needed.
  redo_.armed.store(1, std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  apply_redo();
}

void BoundedSemaphoreState::apply_redo() noexcept {
  accounts()[redo_.index] = redo_.account;
  // Who sleeps on it looks at it under the lock first, so the lock's own order is enough.
  word_.store(redo_.word, std::memory_order_release);
  redo_.armed.store(0, std::memory_order_release);
}

// Closes the accounts of the dead; says how many permits came back.
std::uint32_t BoundedSemaphoreState::reclaim() noexcept {
  std::uint32_t back = 0;
  for (std::uint32_t i = 0; i < used_; ++i) {
    const Account account = accounts()[i];
    if (account.permits == 0 || !memory::dead(account.holder)) continue;
    set(i, {}, word_.load() + account.permits);
    back += account.permits;
  }
  return back;
}

std::uint32_t BoundedSemaphoreState::find(Serial holder) noexcept {
  for (std::uint32_t i = 0; i < used_; ++i) {
    if (accounts()[i].permits != 0 && accounts()[i].holder == holder) return i;
  }
  return capacity_;
}

std::uint32_t BoundedSemaphoreState::find_closed() noexcept {
  for (std::uint32_t i = 0; i < used_; ++i) {
    if (accounts()[i].permits == 0) return i;
  }
  if (used_ == capacity_) {
    reclaim();
    return find_closed();
  }
  return used_++;
}

std::uint32_t BoundedSemaphoreState::find_oldest() noexcept {
  std::uint32_t oldest = capacity_;
  for (std::uint32_t i = 0; i < used_; ++i) {
    if (accounts()[i].permits == 0) continue;
    if (oldest == capacity_ || accounts()[i].opened < accounts()[oldest].opened) oldest = i;
  }
  return oldest;
}

// A holder whose death a waiter is told of at once; different waiters ask for different ones.
Serial BoundedSemaphoreState::someone() noexcept {
  const std::uint32_t start = (memory::self() + thread_number()) % std::max(used_, 1U);
  for (std::uint32_t i = 0; i < used_; ++i) {
    const Account& account = accounts()[(start + i) % used_];
    if (account.permits != 0 && account.holder != memory::self()) return account.holder;
  }
  return memory::kNobody;
}

bool BoundedSemaphoreState::try_take(Serial me, std::uint32_t permits) {
  if (permits_in(word_.load()) < permits) reclaim();
  const std::uint32_t word = word_.load();
  if (permits_in(word) < permits) return false;
  std::uint32_t index = find(me);
  Account account{me, permits, 0};
  if (index == capacity_) {
    index = find_closed();
    account.opened = ++opened_;
  } else {
    account.opened = accounts()[index].opened;
    account.permits += accounts()[index].permits;
  }
  set(index, account, word_.load() - permits);
  return true;
}

bool BoundedSemaphoreState::take(std::uint32_t permits, Timeout timeout) {
  const Serial me = memory::self();
  const os::Deadline deadline = os::Deadline::after(timeout);
  for (bool slept = false;; slept = true) {
    if (!enter(deadline)) return false;
    const bool taken = try_take(me, permits);
    const bool over = taken || deadline.passed();
    // Who slept may not be the only sleeper: it keeps the bit, as in SemaphoreState.
    const std::uint32_t seen = word_.load();
    const std::uint32_t next = over && !slept ? seen : seen | kWaiters;
    if (next != seen) word_.store(next);
    if (!taken && permits > 1) want_many();
    const Serial watched = over ? memory::kNobody : someone();
    lock_.release();
    // What is left may have come back from a dead holder, or been given while the bit was away.
    if (taken && (next & kWaiters) != 0 && permits_in(next) != 0) wake(permits_in(next));
    if (over) return taken;
    memory::wait_on(word_, next, watched, deadline);
  }
}

void BoundedSemaphoreState::give_from(std::uint32_t index, std::uint32_t permits) noexcept {
  Account account = accounts()[index];
  account.permits -= permits;
  set(index, account, word_.load() + permits);
}

bool BoundedSemaphoreState::give(std::uint32_t permits) {
  const Serial me = memory::self();
  enter(os::Deadline::never());
  const std::uint32_t own = find(me);
  const std::uint32_t from_own = own == capacity_ ? 0 : std::min(permits, accounts()[own].permits);
  // What others took is only theirs as long as they live.
  if (from_own != permits) reclaim();
  if (permits > bound_ - permits_in(word_.load())) {
    lock_.release();
    return false;
  }
  if (from_own != 0) give_from(own, from_own);
  for (std::uint32_t left = permits - from_own; left != 0;) {
    const std::uint32_t oldest = find_oldest();
    const std::uint32_t some = std::min(left, accounts()[oldest].permits);
    give_from(oldest, some);
    left -= some;
  }
  leave_after_giving();
  return true;
}

void BoundedSemaphoreState::give_own(std::uint32_t permits) {
  enter(os::Deadline::never());
  const std::uint32_t own = find(memory::self());
  if (own != capacity_) give_from(own, std::min(permits, accounts()[own].permits));
  leave_after_giving();
}

std::uint32_t BoundedSemaphoreState::own() {
  enter(os::Deadline::never());
  const RawLockGuard guard(lock_);
  const std::uint32_t account = find(memory::self());
  return account == capacity_ ? 0 : accounts()[account].permits;
}

void BoundedSemaphoreState::leave_after_giving() noexcept {
  const std::uint32_t word = word_.load();
  const bool sleepers = (word & kWaiters) != 0;
  if (sleepers) word_.store(permits_in(word));
  lock_.release();
  if (sleepers) wake(permits_in(word));
}

std::uint32_t BoundedSemaphoreState::left() {
  enter(os::Deadline::never());
  const std::uint32_t back = reclaim();
  const std::uint32_t word = word_.load();
  lock_.release();
  if (back != 0 && (word & kWaiters) != 0) os::futex_wake(word_);
  return permits_in(word);
}

}  // namespace multiprocessing::sync
