// SPDX-License-Identifier: BSL-1.0
#include "sync/condition_state.hpp"

#include <fmt/format.h>

#include <multiprocessing/errors.hpp>

namespace multiprocessing::sync {

ConditionState::ConditionState(LockState& lock) : lock_at_(memory::offset_of(&lock)) {
  memory::pin(lock, this);
}

void ConditionState::finalize(memory::ObjectHeader& object) {
  auto& self = static_cast<ConditionState&>(object);
  // Each is out of reach before it is let go: it may end by that, and this may run again.
  if (const memory::Offset lock = self.lock_at_.exchange(0)) {
    memory::unpin(*memory::at_as<LockState>(lock), &self);
  }
  while (const memory::Offset first = self.pages_.load()) {
    auto& page = *memory::at_as<WaiterPage>(first);
    self.pages_.store(page.next.load());
    memory::unpin(page, &self);
  }
}

LockState& ConditionState::lock() noexcept {
  return *memory::at_as<LockState>(lock_at_.load(std::memory_order_relaxed));
}

template <class Visit> void ConditionState::each_waiter(Visit visit) {
  for (Waiter& waiter : waiters_) visit(waiter);
  for (memory::Offset next = pages_.load(std::memory_order_acquire); next != 0;) {
    auto& page = *memory::at_as<WaiterPage>(next);
    for (Waiter& waiter : page.waiters) visit(waiter);
    next = page.next.load(std::memory_order_acquire);
  }
}

void ConditionState::require_lock(const char* what) {
  if (lock().held_here()) return;
  throw AssertionError(
      fmt::format("Condition: {} without its {}; acquire it first", what, lock().kind_name()));
}

void ConditionState::enter() {
  if (table_.acquire() == Acquired::kAfterDeath) apply_redo();
}

// REQUIRES: table_ is held, here and in what follows.
Waiter& ConditionState::join() {
  Waiter& waiter = free_entry();
  waiter.ticket = ++tickets_;
  waiter.state.store(Waiter::kWaiting, std::memory_order_relaxed);
  // release: who sees the serial sees a whole entry.
  waiter.process.store(memory::self(), std::memory_order_release);
  return waiter;
}

Waiter& ConditionState::free_entry() {
  for (;;) {
    Waiter* found = nullptr;
    each_waiter([&](Waiter& waiter) {
      if (found == nullptr && waiter.process.load(std::memory_order_relaxed) == memory::kNobody)
        found = &waiter;
    });
    if (found != nullptr) return *found;
    add_page();
  }
}

void ConditionState::add_page() {
  const memory::Handle page = memory::make_object<WaiterPage>();
  // Pinned before it is linked: a link to a page that ended with its maker would be worse than a
  // page without a link.
  memory::pin(page.as<WaiterPage>(), this);
  page.as<WaiterPage>().next.store(pages_.load());
  pages_.store(memory::offset_of(page.get()), std::memory_order_release);
}

Waiter* ConditionState::longest_waiting() {
  Waiter* longest = nullptr;
  each_waiter([&](Waiter& waiter) {
    const Serial process = waiter.process.load(std::memory_order_relaxed);
    if (process == memory::kNobody || waiter.state.load() != Waiter::kWaiting) return;
    if (longest != nullptr && longest->ticket < waiter.ticket) return;
    if (!memory::dead(process)) longest = &waiter;
  });
  return longest;
}

// Frees the entries of the dead.
void ConditionState::pass_on() {
  each_waiter([this](Waiter& waiter) {
    const Serial process = waiter.process.load(std::memory_order_relaxed);
    if (process == memory::kNobody || !memory::dead(process)) return;
    hand_on(waiter);
  });
}

// Frees the entry; a notification goes to who waits longest.
void ConditionState::hand_on(Waiter& waiter) {
  Waiter* next = nullptr;
  if (waiter.state.load() == Waiter::kNotified) next = longest_waiting();
  redo_.to = memory::offset_of(next);
  redo_.from.store(memory::offset_of(&waiter), std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  apply_redo();
}

void ConditionState::apply_redo() {
  const memory::Offset from = redo_.from.load();
  if (from == 0) return;
  if (redo_.to != 0) notify(*memory::at_as<Waiter>(redo_.to));
  memory::at_as<Waiter>(from)->process.store(memory::kNobody);
  redo_.from.store(0, std::memory_order_release);
}

// A look without the table's lock: an entry may change, but not be taken for a dead one's.
bool ConditionState::dead_one_was_notified() {
  bool found = false;
  each_waiter([&](const Waiter& waiter) {
    const Serial process = waiter.process.load(std::memory_order_acquire);
    found = found || (process != memory::kNobody && waiter.state.load() == Waiter::kNotified &&
                      memory::dead(process));
  });
  return found || table_.held_by_dead();
}

// Says whether it was notified. Until here the notification of a waiter that dies is passed on.
bool ConditionState::leave(Waiter& waiter) {
  enter();
  const RawLockGuard guard(table_);
  const bool notified = waiter.state.load() == Waiter::kNotified;
  waiter.process.store(memory::kNobody, std::memory_order_release);
  return notified;
}

// Another process may have released a Lock since it was looked at.
std::uint32_t ConditionState::release_lock(Waiter& waiter) {
  try {
    return lock().release_all();
  } catch (...) {
    leave(waiter);
    throw;
  }
}

// It was told of what it will not see to.
void ConditionState::leave_for_another(Waiter& waiter) {
  enter();
  const RawLockGuard guard(table_);
  hand_on(waiter);
}

// `deaths`: of the lock's holders, before the lock was let go.
void ConditionState::sleep(Waiter& waiter, std::uint32_t deaths, const os::Deadline& deadline,
                           const Look& look) {
  while (waiter.state.load(std::memory_order_acquire) == Waiter::kWaiting && !deadline.passed()) {
    memory::wait_on(waiter.state, Waiter::kWaiting, memory::kNobody, deadline);
    look();
    if (waiter.state.load() != Waiter::kWaiting) break;
    const bool told = lock().broken() || lock().deaths() != deaths;
    if (!told && !dead_one_was_notified()) continue;
    enter();
    const RawLockGuard guard(table_);
    pass_on();
    // Whatever the dead holder was about to do, or had been woken for, may be left undone.
    if (told) notify(waiter);
  }
}

bool ConditionState::wait(const os::Deadline& deadline, const Look& look, bool* let_go) {
  require_lock("wait()");
  enter();
  Waiter* waiter = nullptr;
  {
    const RawLockGuard guard(table_);
    pass_on();
    waiter = &join();
  }
  const std::uint32_t deaths = lock().deaths();
  const std::uint32_t levels = release_lock(*waiter);
  if (let_go != nullptr) *let_go = true;
  try {
    sleep(*waiter, deaths, deadline, look);
    lock().acquire_all(levels, look);
  } catch (const OwnerDiedError&) {
    // The others are told of that death themselves.
    leave(*waiter);
    throw;
  } catch (...) {
    leave_for_another(*waiter);
    throw;
  }
  return leave(*waiter);
}

void ConditionState::notify(std::uint32_t count) {
  require_lock("notify()");
  enter();
  const RawLockGuard guard(table_);
  pass_on();
  for (; count != 0; --count) {
    Waiter* const waiter = longest_waiting();
    if (waiter == nullptr) return;
    notify(*waiter);
  }
}

void ConditionState::notify_all() {
  require_lock("notify_all()");
  enter();
  const RawLockGuard guard(table_);
  pass_on();
  each_waiter([](Waiter& waiter) {
    const bool waits = waiter.process.load(std::memory_order_relaxed) != memory::kNobody &&
                       waiter.state.load() == Waiter::kWaiting;
    if (waits) notify(waiter);
  });
}

void ConditionState::notify(Waiter& waiter) noexcept {
  waiter.state.store(Waiter::kNotified);
  os::futex_wake(waiter.state);
}

}  // namespace multiprocessing::sync
