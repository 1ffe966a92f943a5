// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <chrono>
#include <multiprocessing/detail/managers/proxy_call.hpp>
#include <multiprocessing/errors.hpp>

#include "managers/locks.hpp"

namespace multiprocessing::managers {

using detail::run_method;
using detail::Seconds;

BarrierReferent::BarrierReferent(std::int64_t parties, std::optional<double> timeout)
    : parties_(parties), timeout_(timeout) {
  if (parties < 1) throw ValueError(fmt::format("Barrier: {} parties are below one", parties));
}

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

void BarrierReferent::end_round(Round how) {
  *round_ = how;
  round_ = std::make_shared<Round>(Round::kWaiting);
  waiting_ = 0;
  changed_.notify_all();
}

void BarrierReferent::wait(ServerCall& call) {
  auto seconds = call.arg_or<Seconds>(std::nullopt);
  if (!seconds) seconds = timeout_;
  const os::Deadline deadline = os::Deadline::after(
      seconds ? Timeout(std::chrono::duration<double>(*seconds)) : Timeout(forever));
  std::unique_lock lock(mutex_);
  if (broken_) throw BrokenBarrierError("Barrier: it is broken; call reset()");
  const std::shared_ptr<Round> own = round_;
  const std::int64_t place = waiting_++;
  if (waiting_ == parties_) {
    end_round(Round::kWentThrough);
    return call.reply(place);
  }
  // However this party leaves before the others have come, by its death too, it breaks the barrier.
  struct Leaving {
    BarrierReferent& barrier;
    const Round& round;
    ~Leaving() {
      if (round != Round::kWaiting) return;
      barrier.broken_ = true;
      barrier.end_round(Round::kBroken);
    }
  };
  {
    const Leaving leaving{*this, *own};
    while (*own == Round::kWaiting && call.wait(lock, changed_, deadline)) {
    }
  }
  if (*own == Round::kBroken) {
    throw BrokenBarrierError("Barrier: a party aborted, reset it, died, or its time was over");
  }
  call.reply(place);
}

void BarrierReferent::abort(ServerCall& /*call*/) {
  const std::lock_guard guard(mutex_);
  broken_ = true;
  end_round(Round::kBroken);
}

void BarrierReferent::reset(ServerCall& /*call*/) {
  const std::lock_guard guard(mutex_);
  broken_ = false;
  if (waiting_ != 0) end_round(Round::kBroken);
}

void BarrierReferent::attribute(ServerCall& call) {
  const auto name = call.arg<std::string>();
  const std::lock_guard guard(mutex_);
  if (name == "parties") return call.reply(parties_);
  if (name == "n_waiting") return call.reply(waiting_);
  if (name == "broken") return call.reply(broken_);
  throw AttributeError(fmt::format("'Barrier' object has no attribute '{}'", name));
}

}  // namespace multiprocessing::managers
