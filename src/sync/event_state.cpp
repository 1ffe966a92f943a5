// SPDX-License-Identifier: BSL-1.0
#include "sync/event_state.hpp"

#include "memory/identity.hpp"
#include "os/clock.hpp"

namespace multiprocessing::sync {

void EventState::set() noexcept {
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  do {
    if ((seen & kFlag) != 0) return;
  } while (!word_.compare_exchange_weak(seen, ((seen & ~kSleepers) + kCount) | kFlag));
  if ((seen & kSleepers) != 0) os::futex_wake(word_);
}

bool EventState::wait(Timeout timeout, const Look& look) {
  std::uint32_t seen = word_.load(std::memory_order_acquire);
  if ((seen & kFlag) != 0) return true;
  const os::Deadline deadline = os::Deadline::after(timeout);
  const std::uint32_t count = seen / kCount;
  while ((seen & kFlag) == 0 && seen / kCount == count) {
    if (deadline.passed()) return false;
    if ((seen & kSleepers) == 0 && !word_.compare_exchange_weak(seen, seen | kSleepers)) continue;
    memory::wait_on(word_, seen | kSleepers, memory::kNobody, deadline);
    look();
    seen = word_.load(std::memory_order_acquire);
  }
  return true;
}

}  // namespace multiprocessing::sync
