// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <algorithm>
#include <multiprocessing/errors.hpp>

#include "managers/locks.hpp"

namespace multiprocessing::managers {

using detail::run_method;

SemaphoreReferent::SemaphoreReferent(std::int64_t value, bool bounded)
    : bounded_(bounded), bound_(value), value_(value) {
  if (value < 0) throw ValueError(fmt::format("{}: {} permits are below zero", type_id(), value));
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

bool SemaphoreReferent::take(ServerCall& call, std::int64_t permits, const os::Deadline& deadline) {
  std::unique_lock lock(mutex_);
  while (value_ < permits) {
    if (!call.wait(lock, changed_, deadline)) return false;
  }
  value_ -= permits;
  if (!bounded_) {
    // Permits are signals: one that nobody received is for another.
    call.on_undelivered([self = shared_from_this(), this, permits] {
      const std::lock_guard guard(mutex_);
      value_ += permits;
      changed_.notify_all();
    });
    return true;
  }
  Client* const client = call.caller().client.get();
  const auto account = std::find_if(taken_.begin(), taken_.end(),
                                    [&](const auto& each) { return each.first == client; });
  if (account != taken_.end()) {
    account->second += permits;
  } else {
    taken_.emplace_back(client, permits);
    client->holds(*this);
  }
  return true;
}

void SemaphoreReferent::acquire(ServerCall& call) {
  const os::Deadline deadline = deadline_of_acquire(call);
  call.reply(take(call, 1, deadline));
}

void SemaphoreReferent::acquire_many(ServerCall& call) {
  const auto permits = call.arg<std::int64_t>();
  const os::Deadline deadline = deadline_of_wait(call);
  if (permits < 1 || (bounded_ && permits > bound_)) {
    throw ValueError(fmt::format("{}: {} permits cannot be acquired", type_id(), permits));
  }
  call.reply(take(call, permits, deadline));
}

void SemaphoreReferent::release(ServerCall& call) {
  const auto permits = call.arg_or<std::int64_t>(1);
  if (permits < 1) throw ValueError(fmt::format("{}: n must be one or more", type_id()));
  const std::lock_guard guard(mutex_);
  if (bounded_ && value_ + permits > bound_) {
    throw ValueError("BoundedSemaphore: released too many times");
  }
  value_ += permits;
  changed_.notify_all();
  // Off the caller's own account first, then off those of who took the longest ago.
  std::int64_t left = bounded_ ? permits : 0;
  const auto pay = [&](std::pair<Client*, std::int64_t>& account) {
    const std::int64_t paid = std::min(left, account.second);
    account.second -= paid;
    left -= paid;
    if (account.second == 0) account.first->holds_no_more(*this);
  };
  for (auto& account : taken_) {
    if (account.first == call.caller().client.get()) pay(account);
  }
  for (auto& account : taken_) pay(account);
  std::erase_if(taken_, [](const auto& account) { return account.second == 0; });
}

void SemaphoreReferent::client_died(Client& client) noexcept {
  const std::lock_guard guard(mutex_);
  for (const auto& [taker, permits] : taken_) {
    if (taker == &client) value_ += permits;
  }
  std::erase_if(taken_, [&](const auto& account) { return account.first == &client; });
  changed_.notify_all();
}

void SemaphoreReferent::get_value(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  call.reply<std::int64_t>(value_);
}

void SemaphoreReferent::locked(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  call.reply(value_ == 0);
}

}  // namespace multiprocessing::managers
