// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <multiprocessing/detail/managers/waits.hpp>
#include <multiprocessing/errors.hpp>

#include "managers/locks.hpp"

namespace multiprocessing::managers {

using detail::run_method;

std::span<const Method> BarrierReferent::methods() const {
  using Self = BarrierReferent;
  static constexpr Method kMethods[] = {
      {"wait", "timeout", run_method<Self, &Self::wait>},
      {"abort", "", run_method<Self, &Self::abort>},
      {"reset", "", run_method<Self, &Self::reset>},
      {"__getattribute__", "name", run_method<Self, &Self::attribute>},
  };
  return kMethods;
}

// However a party leaves before the others have come, by its death too, it breaks the barrier.
void BarrierReferent::wait(ServerCall& call) {
  const Timeout timeout = detail::timeout_of_wait(call);
  auto check = [&] { call.check_caller(); };
  call.reply(barrier_.wait_and_look(timeout, detail::Callback::of(check)));
}

void BarrierReferent::abort(ServerCall& /*call*/) { barrier_.abort(); }

void BarrierReferent::reset(ServerCall& /*call*/) { barrier_.reset(); }

void BarrierReferent::attribute(ServerCall& call) {
  const auto name = call.arg<std::string>();
  if (name == "parties") return call.reply(barrier_.parties());
  if (name == "n_waiting") return call.reply(barrier_.n_waiting());
  if (name == "broken") return call.reply(barrier_.broken());
  throw AttributeError(fmt::format("'Barrier' object has no attribute '{}'", name));
}

}  // namespace multiprocessing::managers
