// SPDX-License-Identifier: BSL-1.0
#include "managers/taken_items.hpp"

#include <multiprocessing/detail/byte_queue.hpp>

#include "managers/client.hpp"

namespace multiprocessing::managers {

void TakenItems::took(const detail::Handle& queue, const Client& client) {
  const std::lock_guard guard(mutex_);
  const auto account = accounts_.try_emplace(queue.get(), Account{queue, {}}).first;
  try {
    ++account->second.takers[&client];
  } catch (...) {
    if (account->second.takers.empty()) accounts_.erase(account);
    throw;
  }
}

void TakenItems::gave_back(const detail::Handle& queue, const Client& client) noexcept {
  const std::lock_guard guard(mutex_);
  const auto account = accounts_.find(queue.get());
  if (account == accounts_.end()) return;
  Takers& takers = account->second.takers;
  auto taker = takers.find(&client);
  if (taker == takers.end()) taker = takers.begin();
  if (--taker->second == 0) remove(account, taker);
}

void TakenItems::remove(Accounts::iterator account, Takers::iterator taker) noexcept {
  account->second.takers.erase(taker);
  if (account->second.takers.empty()) accounts_.erase(account);
}

std::optional<TakenItems::Lost> TakenItems::take_lost(const Client& client) noexcept {
  const std::lock_guard guard(mutex_);
  for (auto account = accounts_.begin(); account != accounts_.end(); ++account) {
    const auto taker = account->second.takers.find(&client);
    if (taker == account->second.takers.end()) continue;
    const Lost lost{account->second.queue, taker->second};
    remove(account, taker);
    return lost;
  }
  return std::nullopt;
}

// Without the mutex: a queue's own lock may have to be waited for.
void TakenItems::client_died(const Client& client) noexcept {
  while (const auto lost = take_lost(client)) {
    detail::lose_items(lost->queue, lost->items, client.pid, client.name);
  }
}

}  // namespace multiprocessing::managers
