// SPDX-License-Identifier: BSL-1.0
#include "managers/crowd.hpp"

#include <algorithm>

#include "os/limits.hpp"

namespace multiprocessing::managers {
namespace {

// Longer than a scheduler lets one run while others wait, so that all who look have had their turn.
constexpr std::int64_t kWindowNs = 4'000'000;

}  // namespace

Crowd::Crowd() noexcept
    : Crowd(static_cast<std::uint32_t>(std::max(os::cpus_available_to_this_program() / 2, 1))) {}

bool Crowd::note(std::int64_t& seen, std::int64_t now_ns) noexcept {
  const std::int64_t now = now_ns / kWindowNs + 1;
  if (seen != now) {
    seen = now;
    std::int64_t window = window_.load(std::memory_order_relaxed);
    if (window < now && window_.compare_exchange_strong(window, now, std::memory_order_relaxed)) {
      const std::uint32_t before = at_work_.exchange(0, std::memory_order_relaxed);
      crowded_.store(window == now - 1 && before > most_, std::memory_order_relaxed);
    }
    at_work_.fetch_add(1, std::memory_order_relaxed);
  }
  return crowded_.load(std::memory_order_relaxed) ||
         at_work_.load(std::memory_order_relaxed) > most_;
}

}  // namespace multiprocessing::managers
