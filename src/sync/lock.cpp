// SPDX-License-Identifier: BSL-1.0
// The handles Lock and RLock.
#include <multiprocessing/synchronize.hpp>

#include "sync/handle_state.hpp"
#include "sync/lock_state.hpp"

namespace multiprocessing {
namespace {

sync::LockState& state(const detail::Handle& handle) {
  return sync::state_of<sync::LockState>(handle, "Lock");
}

detail::Handle make(bool recursive, bool recovering) {
  return memory::make_object<sync::LockState>(recursive, recovering);
}

}  // namespace

Lock::Lock() : AnyLock(make(false, false)) {}
Lock::Lock(Recover) : AnyLock(make(false, true)) {}
RLock::RLock() : AnyLock(make(true, false)) {}
RLock::RLock(Recover) : AnyLock(make(true, true)) {}

bool AnyLock::acquire_for(Timeout timeout) { return state(handle_).acquire(timeout); }

void AnyLock::release() { state(handle_).release(); }

bool AnyLock::locked() const { return state(handle_).held(); }

void AnyLock::make_consistent() { make_consistent_by({}); }

void AnyLock::make_consistent_by(detail::Callback repair) {
  state(handle_).make_consistent(repair.run, repair.context);
}

}  // namespace multiprocessing
