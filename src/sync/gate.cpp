// SPDX-License-Identifier: BSL-1.0
#include "sync/gate.hpp"

#include <algorithm>

namespace multiprocessing::sync {
namespace {
// What a wake-up lost to a kill can cost. Of several sleepers, each looks in turn, so that many of
// them cost no more than one does.
constexpr std::int64_t kPollNs = 50'000'000;
constexpr std::uint32_t kTurns = 10;
}  // namespace

// The sequentially consistent exchange pairs with the waker's: either the waker sees this sleeper,
// or the sleeper's next look sees the waker's change.
std::uint32_t Gate::enter() noexcept {
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  for (;;) {
    // Only the killed can have filled the count: forget them, wake whoever else is there.
    const bool full = sleepers(seen) == kSleepers;
    const std::uint32_t next = full ? epoch(seen) + kEpoch + 1 : seen + 1;
    if (!word_.compare_exchange_weak(seen, next)) continue;
    if (full) os::futex_wake(word_);
    return next;
  }
}

// True: a waker ended the sleep, and has taken this sleeper off the count.
bool Gate::sleep(std::uint32_t ticket, const os::Deadline& deadline) noexcept {
  const std::int64_t turns = std::min(sleepers(ticket), kTurns);
  const std::int64_t until = std::min(deadline.at_ns(), os::now_ns() + turns * kPollNs);
  return os::futex_wait(word_, ticket, until);
}

// In a later epoch a waker may have counted this sleeper already; too high is repaired, too low
// would lose a wake-up.
void Gate::leave(std::uint32_t ticket) noexcept {
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  while (epoch(seen) == epoch(ticket) && sleepers(seen) != 0 &&
         !word_.compare_exchange_weak(seen, seen - 1)) {
  }
}

void Gate::wake_one() noexcept {
  std::uint32_t seen = word_.load();
  std::uint32_t next = 0;
  do {
    if (sleepers(seen) == 0) return;
    next = seen + kEpoch - 1;
  } while (!word_.compare_exchange_weak(seen, next));
  if (os::futex_wake(word_, 1) != 0) return;
  // Nobody slept: who is counted was killed, or has seen the new epoch and looks again.
  word_.compare_exchange_strong(next, epoch(next) + kEpoch);
}

void Gate::wake_all() noexcept {
  std::uint32_t seen = word_.load();
  while (!word_.compare_exchange_weak(seen, epoch(seen) + kEpoch)) {
  }
  os::futex_wake(word_);
}

}  // namespace multiprocessing::sync
