// SPDX-License-Identifier: BSL-1.0
#include "managers/locks.hpp"

#include <fmt/format.h>

#include <multiprocessing/detail/managers/proxy_call.hpp>
#include <multiprocessing/errors.hpp>

namespace multiprocessing::managers {

using detail::run_method;
using detail::Seconds;

namespace {

os::Deadline deadline_after(const Seconds& seconds) {
  return os::Deadline::after(seconds ? Timeout(std::chrono::duration<double>(*seconds))
                                     : Timeout(forever));
}

}  // namespace

os::Deadline deadline_of_acquire(ServerCall& call) {
  const bool block = call.arg_or<bool>(true);
  const auto seconds = call.arg_or<Seconds>(std::nullopt);
  return block ? deadline_after(seconds) : deadline_after(0.0);
}

os::Deadline deadline_of_wait(ServerCall& call) {
  return deadline_after(call.arg_or<Seconds>(std::nullopt));
}

std::span<const Method> LockReferent::methods() const {
  using Self = LockReferent;
  static constexpr Method kMethods[] = {
      {"acquire", "blocking,timeout", run_method<Self, &Self::acquire>},
      {"release", "", run_method<Self, &Self::release>},
      {"locked", "", run_method<Self, &Self::locked>},
      {"make_consistent", "", run_method<Self, &Self::make_consistent>},
  };
  return kMethods;
}

std::string LockReferent::print() const {
  const std::lock_guard guard(mutex_);
  return fmt::format("<{} {} object>", levels_ != 0 ? "locked" : "unlocked", type_id());
}

LockReferent::Holder LockReferent::holder_of(const ServerCall& call) {
  return {call.caller().client->id, call.caller().thread};
}

bool LockReferent::is_holder(const Caller& caller) const noexcept {
  return levels_ != 0 && holder_.client == caller.client &&
         (!recursive_ || holder_.thread == caller.thread);
}

void LockReferent::refuse_after_death() const {
  if (died_) throw OwnerDiedError(died_->first, died_->second, 0, std::string(type_id()));
}

bool LockReferent::take(std::unique_lock<std::mutex>& lock, ServerCall& call,
                        const os::Deadline& deadline, std::size_t levels) {
  const Caller& caller = call.caller();
  if (recursive_ && is_holder(caller)) {
    levels_ += levels;
    return true;
  }
  for (;;) {
    refuse_after_death();
    if (levels_ == 0) break;
    if (!call.wait(lock, freed_, deadline)) return false;
  }
  // Somebody who died while waiting would take it to the grave.
  holder_ = caller;
  levels_ = levels;
  caller.client->holds(*this);
  return true;
}

void LockReferent::free() {
  holder_.client->holds_no_more(*this);
  holder_ = {};
  levels_ = 0;
  freed_.notify_one();
}

void LockReferent::acquire(ServerCall& call) {
  const os::Deadline deadline = deadline_of_acquire(call);
  std::unique_lock lock(mutex_);
  const bool taken = take(lock, call, deadline, 1);
  if (taken) lost_.note_acquired(holder_of(call));
  call.reply(taken);
}

void LockReferent::release(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  if (lost_.take_release(holder_of(call))) return;
  refuse_after_death();
  if (levels_ == 0) throw RuntimeError(fmt::format("release unlocked {}", type_id()));
  if (recursive_ && !is_holder(call.caller())) {
    throw RuntimeError("cannot release an RLock that another thread holds");
  }
  if (--levels_ == 0) free();
}

void LockReferent::locked(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  call.reply(levels_ != 0 || died_.has_value());
}

void LockReferent::make_consistent(ServerCall& /*call*/) {
  const std::lock_guard guard(mutex_);
  if (!died_) return;
  died_.reset();
  freed_.notify_one();
}

void LockReferent::client_died(Client& client) noexcept {
  const std::lock_guard guard(mutex_);
  if (levels_ == 0 || holder_.client.get() != &client) return;
  died_.emplace(client.pid, client.name);
  holder_ = {};
  levels_ = 0;
  freed_.notify_all();
  for (ConditionReferent* condition : conditions_) condition->holder_died();
}

void LockReferent::add(ConditionReferent& condition) {
  const std::lock_guard guard(mutex_);
  conditions_.push_back(&condition);
}

void LockReferent::remove(const ConditionReferent& condition) {
  const std::lock_guard guard(mutex_);
  std::erase(conditions_, &condition);
}

void LockReferent::require_held(const Caller& caller) const {
  refuse_after_death();
  if (!is_holder(caller)) {
    throw RuntimeError(fmt::format("Condition: the {} is not held by the caller", type_id()));
  }
}

std::size_t LockReferent::release_all() {
  const std::size_t levels = levels_;
  free();
  return levels;
}

void LockReferent::acquire_all(std::unique_lock<std::mutex>& lock, ServerCall& call,
                               std::size_t levels) {
  try {
    static_cast<void>(take(lock, call, os::Deadline::never(), levels));
  } catch (const OwnerDiedError&) {
    lost_.add(holder_of(call), static_cast<std::uint32_t>(levels));
    throw;
  }
}

std::span<const Method> ConditionReferent::methods() const {
  using Self = ConditionReferent;
  static constexpr Method kMethods[] = {
      {"acquire", "blocking,timeout", run_method<Self, &Self::acquire>},
      {"release", "", run_method<Self, &Self::release>},
      {"wait", "timeout", run_method<Self, &Self::wait>},
      {"notify", "n", run_method<Self, &Self::notify>},
      {"notify_all", "", run_method<Self, &Self::notify_all>},
      {"locked", "", run_method<Self, &Self::locked>},
      {"make_consistent", "", run_method<Self, &Self::make_consistent>},
  };
  return kMethods;
}

void ConditionReferent::wait(ServerCall& call) {
  const os::Deadline deadline = deadline_of_wait(call);
  std::unique_lock lock(lock_->mutex());
  lock_->require_held(call.caller());
  const std::size_t levels = lock_->release_all();
  Waiter self;
  waiters_.push_back(&self);
  try {
    while (!self.notified && call.wait(lock, self.woken, deadline)) {
    }
    // One that was notified and did not live to see it leaves the notification to another.
    if (self.notified) call.check_caller();
  } catch (...) {
    std::erase(waiters_, &self);
    if (self.notified) wake(1);
    throw;
  }
  std::erase(waiters_, &self);
  try {
    lock_->acquire_all(lock, call, levels);
  } catch (...) {
    // It is not back with the lock, and cannot do what it was woken for.
    if (self.notified) wake(1);
    throw;
  }
  call.reply(self.notified);
}

void ConditionReferent::wake(std::size_t n) noexcept {
  for (; n != 0 && !waiters_.empty(); --n) {
    waiters_.front()->notified = true;
    waiters_.front()->woken.notify_one();
    waiters_.pop_front();
  }
}

void ConditionReferent::notify(ServerCall& call) {
  const auto n = call.arg_or<std::int64_t>(1);
  if (n < 0) throw ValueError(fmt::format("Condition: notify: {} is below zero", n));
  const std::lock_guard guard(lock_->mutex());
  lock_->require_held(call.caller());
  wake(static_cast<std::size_t>(n));
}

void ConditionReferent::notify_all(ServerCall& call) {
  const std::lock_guard guard(lock_->mutex());
  lock_->require_held(call.caller());
  wake(waiters_.size());
}

std::span<const Method> EventReferent::methods() const {
  using Self = EventReferent;
  static constexpr Method kMethods[] = {
      {"is_set", "", run_method<Self, &Self::is_set>},
      {"set", "", run_method<Self, &Self::set>},
      {"clear", "", run_method<Self, &Self::clear>},
      {"wait", "timeout", run_method<Self, &Self::wait>},
  };
  return kMethods;
}

void EventReferent::is_set(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  call.reply(set_);
}

void EventReferent::set(ServerCall& /*call*/) {
  const std::lock_guard guard(mutex_);
  set_ = true;
  ++sets_;
  changed_.notify_all();
}

void EventReferent::clear(ServerCall& /*call*/) {
  const std::lock_guard guard(mutex_);
  set_ = false;
}

void EventReferent::wait(ServerCall& call) {
  const os::Deadline deadline = deadline_of_wait(call);
  std::unique_lock lock(mutex_);
  const std::uint64_t before = sets_;
  while (!set_ && sets_ == before) {
    if (!call.wait(lock, changed_, deadline)) return call.reply(false);
  }
  call.reply(true);
}

}  // namespace multiprocessing::managers
