// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/detail/managers/waits.hpp>

#include "managers/locks.hpp"
#include "sync/event_state.hpp"
#include "sync/handle_state.hpp"

namespace multiprocessing::managers {

using detail::run_method;

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

void EventReferent::is_set(ServerCall& call) { call.reply(event_.is_set()); }
void EventReferent::set(ServerCall& /*call*/) { event_.set(); }
void EventReferent::clear(ServerCall& /*call*/) { event_.clear(); }

void EventReferent::wait(ServerCall& call) {
  const Timeout timeout = detail::timeout_of_wait(call);
  auto& state = sync::state_of<sync::EventState>(detail::HandleAccess::get(event_), "Event");
  auto check = [&] { call.check_caller(); };
  call.reply(state.wait(timeout, sync::Look::of(check)));
}

}  // namespace multiprocessing::managers
