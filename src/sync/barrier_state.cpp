// SPDX-License-Identifier: BSL-1.0
#include "sync/barrier_state.hpp"

#include <chrono>
#include <multiprocessing/errors.hpp>

#include "sync/patience.hpp"

namespace multiprocessing::sync {

BarrierState::BarrierState(std::uint32_t parties, bool has_action, Timeout timeout) noexcept
    : parties_(parties),
      has_action_(has_action),
      timeout_ns_(timeout.is_forever() ? -1 : timeout.nanoseconds()) {}

Timeout BarrierState::timeout() const noexcept {
  return timeout_ns_ < 0 ? Timeout() : Timeout(std::chrono::nanoseconds(timeout_ns_));
}

template <class Visit> void BarrierState::each_party(Visit visit) {
  for (std::size_t i = 0; i < std::size_t{2} * parties_; ++i) visit(table()[i]);
}

bool BarrierState::enter(const os::Deadline& deadline) {
  const Acquired acquired = lock_.acquire(patience(deadline));
  if (acquired == Acquired::kAfterDeath && redo_.armed.load() != 0) apply_redo();
  return acquired != Acquired::kTimedOut;
}

// REQUIRES: lock_ is held, here and in what follows.
void BarrierState::end_round(State outcome, Phase phase) noexcept {
  redo_.outcome = outcome;
  redo_.phase = phase;
  redo_.armed.store(1, std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  apply_redo();
}

void BarrierState::apply_redo() noexcept {
  each_party([this](Party& party) {
    if (party.process.load() != memory::kNobody && party.state.load() == kWaiting)
      party.state.store(redo_.outcome);
  });
  phase_ = redo_.phase;
  turn_.fetch_add(1);
  redo_.armed.store(0, std::memory_order_release);
  os::futex_wake(turn_);
}

void BarrierState::break_for(Reason reason) noexcept {
  reason_ = reason;
  end_round(kBroken, kBarrierBroken);
}

bool BarrierState::somebody_died() noexcept {
  bool found = lock_.held_by_dead();
  each_party([&](const Party& party) {
    const Serial process = party.process.load(std::memory_order_acquire);
    found = found || (party.state.load() == kWaiting && memory::dead(process));
  });
  return found;
}

void BarrierState::look_for_dead() {
  Serial found = memory::kNobody;
  each_party([&](const Party& party) {
    const Serial process = party.process.load();
    if (party.state.load() == kWaiting && memory::dead(process)) found = process;
  });
  if (found == memory::kNobody) return;
  dead_party_.note(found);
  break_for(kDied);
}

std::uint32_t BarrierState::count_waiting() noexcept {
  std::uint32_t count = 0;
  each_party([&](const Party& party) {
    if (party.process.load() != memory::kNobody && party.state.load() == kWaiting) ++count;
  });
  return count;
}

BarrierState::Party* BarrierState::free_entry() noexcept {
  Party* found = nullptr;
  each_party([&](Party& party) {
    const Serial process = party.process.load(std::memory_order_acquire);
    if (process == memory::kNobody || (party.state.load() != kWaiting && memory::dead(process)))
      found = &party;
  });
  return found;
}

void BarrierState::throw_broken() {
  const std::string begin = "Barrier: ";
  const std::string end = "; call reset() to use it again";
  switch (reason_) {
    case kAborted:
      throw BrokenBarrierError(begin + "it was aborted" + end);
    case kReset:
      throw BrokenBarrierError(begin + "it was reset while this party waited");
    case kTimedOut:
      throw BrokenBarrierError(begin + "a party's time was over before all had come" + end);
    case kDied:
      throw BrokenBarrierError(begin + dead_party_.text() + " died while it waited" + end);
    case kLeft:
      throw BrokenBarrierError(begin + "a party ended or gave up before all had come" + end);
    case kActionFailed:
      throw BrokenBarrierError(begin + "the action failed in the party that came last" + end);
  }
  throw BrokenBarrierError(begin + "broken" + end);
}

BarrierState::Party& BarrierState::arrive(const os::Deadline& deadline, const Look& look) {
  for (;;) {
    if (phase_ == kFilling) look_for_dead();
    if (phase_ == kBarrierBroken) throw_broken();
    Party* const entry = phase_ == kActing ? nullptr : free_entry();
    if (entry != nullptr) {
      // A dead party's entry must not become its waiting one.
      entry->process.store(memory::kNobody);
      entry->arrival.store(count_waiting(), std::memory_order_relaxed);
      entry->state.store(kWaiting);
      entry->process.store(memory::self());
      return *entry;
    }
    // While the action of the round before runs the time does not count, as in Python.
    const bool acting = phase_ == kActing;
    if (!acting && deadline.passed()) {
      break_for(kTimedOut);
      throw_broken();
    }
    crowded_.store(1);
    const std::uint32_t turn = turn_.load();
    wait_for_turn(turn, acting ? os::Deadline::never() : deadline);
    look();
  }
}

// Until a round ends or an entry becomes free; the lock is let go meanwhile.
void BarrierState::wait_for_turn(std::uint32_t turn, const os::Deadline& deadline) {
  lock_.release();
  memory::wait_on(turn_, turn, memory::kNobody, deadline);
  enter(os::Deadline::never());
  if (phase_ == kActing) look_for_dead();
}

std::uint32_t BarrierState::wait(Timeout timeout, const BarrierAction& action, const Look& look) {
  const os::Deadline deadline = os::Deadline::after(timeout);
  if (!enter(deadline)) throw BrokenBarrierError("Barrier: a stopped process holds it up");
  Party* self = nullptr;
  bool last = false;
  {
    const RawLockGuard guard(lock_);
    self = &arrive(deadline, look);
    last = self->arrival.load() + 1 == parties_;
    if (last && has_action_) {
      phase_ = kActing;
    } else if (last) {
      end_round(kPassed, kFilling);
    }
  }
  const std::uint32_t arrival = self->arrival.load();
  if (last && has_action_) {
    run(*self, action);
  } else if (!last) {
    sleep(*self, os::Deadline::after(timeout), look);
  }
  const bool passed = self->state.load() == kPassed;
  leave(*self);
  if (passed) return arrival;
  enter(os::Deadline::never());
  const RawLockGuard guard(lock_);
  throw_broken();
}

// The others wait for it, and its death in the action is that of a waiting party.
void BarrierState::run(Party& self, const BarrierAction& action) {
  try {
    if (action.run == nullptr) {
      throw RuntimeError(
          "Barrier: the action is known only to the process that made the barrier and to its "
          "forked children, and the party that came last is none of them; let one of them wait "
          "too, or do without an action");
    }
    action.run(action.context);
  } catch (...) {
    enter(os::Deadline::never());
    if (self.state.load() == kWaiting) break_for(kActionFailed);
    lock_.release();
    leave(self);
    throw;
  }
  enter(os::Deadline::never());
  if (self.state.load() == kWaiting) end_round(kPassed, kFilling);
  lock_.release();
}

Serial BarrierState::one_before(const Party& self) noexcept {
  Serial before = memory::kNobody;
  const std::uint32_t wanted = (self.arrival.load() + parties_ - 1) % parties_;
  each_party([&](const Party& party) {
    if (party.state.load() == kWaiting && party.arrival.load() == wanted)
      before = party.process.load();
  });
  return before == memory::self() ? memory::kNobody : before;
}

void BarrierState::sleep(Party& self, const os::Deadline& deadline, const Look& look) {
  os::Deadline until = deadline;
  for (;;) {
    const std::uint32_t turn = turn_.load();
    if (self.state.load() != kWaiting) return;
    if (somebody_died()) {
      enter(os::Deadline::never());
      look_for_dead();
      lock_.release();
    } else if (until.passed()) {
      give_up(self, kTimedOut);
      // All have come and the last one acts: that is not waited for with a limit, as in Python.
      until = os::Deadline::never();
    } else {
      memory::wait_on(turn_, turn, one_before(self), until);
      try {
        look();
      } catch (...) {
        give_up(self, kLeft);
        leave(self);
        throw;
      }
    }
  }
}

void BarrierState::give_up(Party& self, Reason reason) {
  enter(os::Deadline::never());
  if (self.state.load() == kWaiting && phase_ == kFilling) break_for(reason);
  lock_.release();
}

void BarrierState::leave(Party& self) noexcept {
  self.process.store(memory::kNobody, std::memory_order_release);
  if (crowded_.exchange(0) == 0) return;
  turn_.fetch_add(1);
  os::futex_wake(turn_);
}

void BarrierState::reset() {
  enter(os::Deadline::never());
  const RawLockGuard guard(lock_);
  reason_ = kReset;
  end_round(kBroken, kFilling);
}

void BarrierState::abort() {
  enter(os::Deadline::never());
  const RawLockGuard guard(lock_);
  break_for(kAborted);
}

bool BarrierState::broken() {
  enter(os::Deadline::never());
  const RawLockGuard guard(lock_);
  look_for_dead();
  return phase_ == kBarrierBroken;
}

std::uint32_t BarrierState::waiting() {
  enter(os::Deadline::never());
  const RawLockGuard guard(lock_);
  look_for_dead();
  return phase_ == kFilling ? count_waiting() : 0;
}

}  // namespace multiprocessing::sync
