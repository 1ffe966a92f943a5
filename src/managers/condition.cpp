// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <multiprocessing/detail/managers/waits.hpp>
#include <multiprocessing/errors.hpp>

#include "managers/locks.hpp"
#include "sync/handle_state.hpp"

namespace multiprocessing::managers {

using detail::HandleAccess;
using detail::run_method;

namespace {

sync::ConditionState& state(const Condition& condition) {
  return sync::state_of<sync::ConditionState>(HandleAccess::get(condition), "Condition");
}

}  // namespace

AnyLock ConditionReferent::lock_of(const Condition& condition) {
  // The condition keeps it alive meanwhile.
  return HandleAccess::make<AnyLock>(memory::adopt(memory::offset_of(&state(condition).lock())));
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
  const Timeout timeout = detail::timeout_of_wait(call);
  lock_->lend(call.caller());
  const bool notified = wait_for_call(call, timeout);
  try {
    call.check_caller();
  } catch (...) {
    // It cannot do what it was woken for.
    if (notified) condition_.notify();
    state(condition_).lock().release_all();
    throw;
  }
  lock_->note_held(call.caller(), false);
  call.reply(notified);
}

// With the lock in the calling thread's name.
bool ConditionReferent::wait_for_call(ServerCall& call, Timeout timeout) {
  auto check = [&] { call.check_caller(); };
  bool let_go = false;
  try {
    return state(condition_).wait(os::Deadline::after(timeout), sync::Look::of(check), &let_go);
  } catch (...) {
    if (let_go) {
      lock_->note_lost(call.caller());
    } else {
      lock_->note_held(call.caller(), false);
    }
    throw;
  }
}

void ConditionReferent::notify(ServerCall& call) {
  const auto n = call.arg_or<std::int64_t>(1);
  if (n < 0) throw ValueError(fmt::format("Condition: notify: {} is below zero", n));
  const auto most = static_cast<int>(std::min<std::int64_t>(n, std::numeric_limits<int>::max()));
  lock_->as_holder(call.caller(), [&] { condition_.notify(most); });
}

void ConditionReferent::notify_all(ServerCall& call) {
  lock_->as_holder(call.caller(), [&] { condition_.notify_all(); });
}

}  // namespace multiprocessing::managers
