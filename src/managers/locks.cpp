// SPDX-License-Identifier: BSL-1.0
#include "managers/locks.hpp"

#include <fmt/format.h>

#include <exception>
#include <multiprocessing/detail/managers/waits.hpp>
#include <multiprocessing/errors.hpp>

#include "sync/handle_state.hpp"

namespace multiprocessing::managers {

using detail::run_method;

sync::LockState& LockReferent::state() const {
  return sync::state_of<sync::LockState>(detail::HandleAccess::get(lock_), "Lock");
}

std::string_view LockReferent::type_id() const { return state().kind_name(); }

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
  return fmt::format("<{} {} object>", lock_.locked() ? "locked" : "unlocked", type_id());
}

// REQUIRES: mutex_ is held, here and in what follows, where nothing else is said.
bool LockReferent::is_holder(const Caller& caller) const {
  if (holder_.client != caller.client) return false;
  // Anybody may have released a Lock.
  return state().recursive() ? holder_.thread == caller.thread : state().held_here();
}

void LockReferent::require_held(const Caller& caller) const {
  if (is_holder(caller)) return;
  throw RuntimeError(fmt::format("Condition: the {} is not held by the caller", type_id()));
}

void LockReferent::belong_to(std::uint32_t number) {
  if (state().recursive()) state().belong_to(number);
}

void LockReferent::forget_holder() noexcept {
  if (holder_.client != nullptr) holder_.client->holds_no_more(*this);
  holder_ = {};
}

// Without the mutex.
void LockReferent::note_held(const Caller& caller, bool acquired) {
  const std::lock_guard guard(mutex_);
  try {
    caller.client->holds(*this, of_ == Of::kProgram);
  } catch (...) {
    state().release_all();
    throw;
  }
  belong_to(number_);
  holder_ = caller;
  if (acquired) {
    lost_.note_acquired(name_of(caller));
  } else {
    lost_.keep(name_of(caller));
  }
}

bool LockReferent::take_again(const Caller& caller) {
  const std::lock_guard guard(mutex_);
  if (!state().recursive() || !is_holder(caller)) return false;
  const Lent lent(*this);
  lock_.acquire(false);
  lost_.note_acquired(name_of(caller));
  return true;
}

bool LockReferent::try_as_holder(const Caller& caller, const std::function<void()>& act) {
  const std::lock_guard guard(mutex_);
  if (!is_holder(caller)) return false;
  const Lent lent(*this);
  act();
  return true;
}

// The caller's end is looked at only between the slices: who has got it is noted as its holder, be
// it dead or not, and client_died() comes after the call.
void LockReferent::acquire(ServerCall& call) {
  const Timeout timeout = detail::timeout_of_acquire(call);
  if (take_again(call.caller())) return call.reply(true);
  bool taken = false;
  detail::in_slices(call, timeout,
                    [&](Timeout slice, bool) { return taken = lock_.acquire(slice); });
  if (taken) note_held(call.caller(), true);
  call.reply(taken);
}

void LockReferent::release(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  if (lost_.take_release(name_of(call.caller()))) return;
  if (state().recursive()) return release_rlock(call.caller());
  try {
    lock_.release();
  } catch (const ValueError&) {
    throw RuntimeError("release unlocked Lock");
  }
  forget_holder();
}

void LockReferent::release_rlock(const Caller& caller) {
  if (!is_holder(caller)) {
    throw RuntimeError("cannot release an RLock that is not held by the calling thread");
  }
  belong_to(sync::thread_number());
  lock_.release();
  if (state().held_here()) return belong_to(number_);
  forget_holder();
}

void LockReferent::locked(ServerCall& call) { call.reply(lock_.locked()); }

// A process of the program may be at its repair for long.
void LockReferent::make_consistent(ServerCall& call) {
  auto check = [&] { call.check_caller(); };
  state().make_consistent(nullptr, nullptr, sync::Look::of(check));
}

void LockReferent::client_died(Client& client) noexcept {
  const std::lock_guard guard(mutex_);
  lost_.forget_client(client.id);
  if (holder_.client.get() != &client) return;
  holder_ = {};
  try {
    state().die_holding(client.pid, client.name);
  } catch (const std::exception&) {
    // It is done; the warning of a recovering lock had no memory.
  }
}

void LockReferent::lend(const Caller& caller) {
  const std::lock_guard guard(mutex_);
  require_held(caller);
  lost_.prepare(name_of(caller));
  // The client is told of still, to forget what it lost.
  holder_ = {};
  belong_to(sync::thread_number());
}

void LockReferent::note_lost(const Caller& caller) noexcept {
  const std::lock_guard guard(mutex_);
  lost_.lose(name_of(caller), sync::LockState::take_lost(state()));
}

}  // namespace multiprocessing::managers
