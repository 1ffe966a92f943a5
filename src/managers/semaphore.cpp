// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <memory>
#include <multiprocessing/detail/managers/waits.hpp>

#include "managers/locks.hpp"
#include "sync/handle_state.hpp"

namespace multiprocessing::managers {

using detail::run_method;

namespace {

sync::SemaphoreState& state(const Semaphore& semaphore) {
  return sync::state_of<sync::SemaphoreState>(detail::HandleAccess::get(semaphore), "Semaphore");
}

}  // namespace

SemaphoreReferent::SemaphoreReferent(Semaphore semaphore, Of of)
    : semaphore_(std::move(semaphore)), of_(of), bounded_(state(semaphore_).bounded()) {}

SemaphoreReferent::~SemaphoreReferent() {
  for (const auto& [taker, permits] : taken_) taker->holds_no_more(*this);
}

std::span<const Method> SemaphoreReferent::methods() const {
  using Self = SemaphoreReferent;
  static constexpr Method kMethods[] = {
      {"acquire", "blocking,timeout", run_method<Self, &Self::acquire>},
      {"release", "n", run_method<Self, &Self::release>},
      {"acquire_many", "permits,timeout", run_method<Self, &Self::acquire_many>},
      {"get_value", "", run_method<Self, &Self::get_value>},
      {"locked", "", run_method<Self, &Self::locked>},
  };
  return kMethods;
}

void SemaphoreReferent::acquire(ServerCall& call) {
  const Timeout timeout = detail::timeout_of_acquire(call);
  bool taken = false;
  detail::in_slices(call, timeout,
                    [&](Timeout slice, bool) { return taken = semaphore_.acquire(slice); });
  if (taken) note_taken(call, 1);
  call.reply(taken);
}

void SemaphoreReferent::acquire_many(ServerCall& call) {
  const int permits = call.arg<int>();
  const Timeout timeout = detail::timeout_of_wait(call);
  bool taken = false;
  detail::in_slices(call, timeout, [&](Timeout slice, bool) {
    return taken = semaphore_.acquire_many(permits, slice);
  });
  if (taken) note_taken(call, permits);
  call.reply(taken);
}

void SemaphoreReferent::note_taken(ServerCall& call, int permits) {
  if (!bounded_) {
    // Permits are signals: one that nobody received is for another.
    try {
      call.on_undelivered(
          [semaphore = semaphore_, permits]() mutable { semaphore.release(permits); });
    } catch (...) {
      semaphore_.release(permits);
      throw;
    }
    return;
  }
  const auto client = call.caller().client;
  const std::lock_guard guard(mutex_);
  const auto account = std::find_if(taken_.begin(), taken_.end(),
                                    [&](const auto& each) { return each.first == client; });
  if (account != taken_.end()) {
    account->second += permits;
    return;
  }
  try {
    client->holds(*this, of_ == Of::kProgram);
    taken_.emplace_back(client, permits);
  } catch (...) {
    semaphore_.release(permits);
    throw;
  }
}

void SemaphoreReferent::release(ServerCall& call) {
  const int permits = call.arg_or<int>(1);
  const std::lock_guard guard(mutex_);
  semaphore_.release(permits);
  if (bounded_) pay(call.caller().client, permits);
}

// Off the caller's own account first, then off those of who took the longest ago.
void SemaphoreReferent::pay(const std::shared_ptr<Client>& client, int permits) {
  const auto pay_off = [&](auto& account) {
    const int paid = std::min(permits, account.second);
    account.second -= paid;
    permits -= paid;
    if (account.second == 0) account.first->holds_no_more(*this);
  };
  for (auto& account : taken_) {
    if (account.first == client) pay_off(account);
  }
  for (auto& account : taken_) pay_off(account);
  std::erase_if(taken_, [](const auto& account) { return account.second == 0; });
}

// Processes of the program may have given some back, which the semaphore took off the server's own
// account.
void SemaphoreReferent::pay_what_others_gave(sync::BoundedSemaphoreState& semaphore) {
  std::int64_t noted = 0;
  for (const auto& [taker, permits] : taken_) noted += permits;
  const std::int64_t held = semaphore.own();
  if (noted > held) pay(nullptr, static_cast<int>(noted - held));
}

void SemaphoreReferent::client_died(Client& client) noexcept {
  auto& semaphore = static_cast<sync::BoundedSemaphoreState&>(state(semaphore_));
  const std::lock_guard guard(mutex_);
  pay_what_others_gave(semaphore);
  for (const auto& [taker, permits] : taken_) {
    if (taker.get() == &client) semaphore.give_own(static_cast<std::uint32_t>(permits));
  }
  std::erase_if(taken_, [&](const auto& account) { return account.first.get() == &client; });
}

void SemaphoreReferent::get_value(ServerCall& call) { call.reply(semaphore_.get_value()); }

void SemaphoreReferent::locked(ServerCall& call) { call.reply(semaphore_.locked()); }

}  // namespace multiprocessing::managers
