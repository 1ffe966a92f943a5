// SPDX-License-Identifier: BSL-1.0
#include "sync/semaphore_state.hpp"

#include <climits>

#include "os/spin.hpp"

namespace multiprocessing::sync {
namespace {
constexpr std::int64_t kSpinNs = 2'000;
}

bool SemaphoreState::take_slowly(std::uint32_t permits, const os::Deadline& deadline) noexcept {
  bool slept = false;
  os::Spin spin(kSpinNs);
  for (;;) {
    std::uint32_t seen = word_.load(std::memory_order_acquire);
    if (permits_in(seen) >= permits) {
      // One that slept may not be the only sleeper: it keeps the bit that makes give() wake.
      const std::uint32_t left = (seen - permits) | (slept ? kWaiters : 0);
      if (!word_.compare_exchange_weak(seen, left, std::memory_order_acquire)) continue;
      // Permits given meanwhile met no bit and woke nobody.
      if (slept && permits_in(left) != 0) wake(permits_in(left));
      return true;
    }
    if (!slept && deadline.passed()) return false;
    if (!slept && (seen & kWaiters) == 0 && spin.back_off()) continue;
    if (permits > 1) want_many();
    // Also before giving up: the wake-up that this waiter may have used up stood for others too.
    if ((seen & kWaiters) == 0 &&
        !word_.compare_exchange_weak(seen, seen | kWaiters, std::memory_order_relaxed)) {
      continue;
    }
    if (deadline.passed()) return false;
    memory::wait_on(word_, seen | kWaiters, memory::kNobody, deadline);
    slept = true;
  }
}

bool SemaphoreState::give_slowly(std::uint32_t permits) noexcept {
  std::uint32_t seen = word_.load(std::memory_order_relaxed);
  do {
    if (permits > kMaxPermits - permits_in(seen)) return false;
  } while (!word_.compare_exchange_weak(seen, permits_in(seen) + permits));
  if ((seen & kWaiters) != 0) wake(permits);
  return true;
}

void SemaphoreState::wake(std::uint32_t permits) noexcept {
  os::futex_wake(word_, many_.exchange(0) != 0 ? INT_MAX : static_cast<int>(permits));
}

}  // namespace multiprocessing::sync
