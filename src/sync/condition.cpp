// SPDX-License-Identifier: BSL-1.0
// The handle Condition.
#include <multiprocessing/synchronize.hpp>

#include "sync/condition_state.hpp"
#include "sync/handle_state.hpp"

namespace multiprocessing {
namespace {

using sync::ConditionState;
using sync::LockState;

ConditionState& state(const detail::Handle& handle) {
  return sync::state_of<ConditionState>(handle, "Condition");
}

LockState& lock_of(const detail::Handle& handle) { return state(handle).lock(); }

// Before main, and again with every condition that is made by another static's constructor earlier.
bool register_kind() noexcept {
  memory::register_finalizer(ConditionState::kKind, &ConditionState::finalize);
  return true;
}
[[maybe_unused]] const bool registered = register_kind();

}  // namespace

Condition::Condition() : Condition(RLock()) {}

Condition::Condition(const AnyLock& lock) {
  register_kind();
  handle_ =
      memory::make_object<ConditionState>(sync::state_of<LockState>(lock.handle_, "Condition"));
}

bool Condition::acquire_for(Timeout timeout) { return lock_of(handle_).acquire(timeout); }
void Condition::release() { lock_of(handle_).release(); }
bool Condition::locked() const { return lock_of(handle_).held(); }
void Condition::make_consistent() { make_consistent_by({}); }

void Condition::make_consistent_by(detail::Callback repair) {
  lock_of(handle_).make_consistent(repair.run, repair.context);
}

bool Condition::wait(Timeout timeout) { return state(handle_).wait(os::Deadline::after(timeout)); }

void Condition::wait_until_held(detail::Callback ask, const bool& held, Timeout timeout) {
  const os::Deadline deadline = os::Deadline::after(timeout);
  ask.run(ask.context);
  while (!held && !deadline.passed()) {
    state(handle_).wait(deadline);
    ask.run(ask.context);
  }
}

void Condition::notify(int n) {
  if (n < 0) throw ValueError(fmt::format("Condition: notify({}): ask for 0 or more", n));
  state(handle_).notify(static_cast<std::uint32_t>(n));
}

void Condition::notify_all() { state(handle_).notify_all(); }

}  // namespace multiprocessing
