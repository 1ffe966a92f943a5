// SPDX-License-Identifier: BSL-1.0
// How long a process looks at a queue before it goes to sleep: as long as that has been paying.
#pragma once
#include <atomic>
#include <cstdint>

#include "os/spin.hpp"
#include "queues/gate.hpp"

namespace multiprocessing::queues {

/// One for each process and side. Threads: races only make it a little more or less patient.
class Patience {
 public:
  /// Waits until `ready()` or the deadline; says whether it was ready when last asked.
  template <class Ready>
  bool wait(Gate& gate, const Ready& ready, const os::Deadline& deadline) noexcept {
    if (deadline.at_ns() == 0) return ready();
    if (const std::int64_t limit_ns = limit(); limit_ns != 0) {
      os::Spin spin(limit_ns);
      while (spin.again()) {
        if (!ready()) continue;
        limit_ns_.store(kMostNs, std::memory_order_relaxed);
        return true;
      }
      limit_ns_.store(limit_ns > kLeastNs ? limit_ns / 2 : 0, std::memory_order_relaxed);
    }
    return gate.wait(ready, deadline);
  }

 private:
  static constexpr std::int64_t kMostNs = 10'000;  // about what falling asleep and waking costs
  static constexpr std::int64_t kLeastNs = 1'000;
  static constexpr std::uint32_t kWaitsToTryAgain = 32;

  // Where looking was in vain for long it is tried again now and then: the others may be quicker.
  std::int64_t limit() noexcept {
    const std::int64_t limit_ns = limit_ns_.load(std::memory_order_relaxed);
    if (limit_ns != 0) return limit_ns;
    const std::uint32_t waits = waits_.load(std::memory_order_relaxed) + 1;
    waits_.store(waits, std::memory_order_relaxed);
    return waits % kWaitsToTryAgain == 0 ? kMostNs / 2 : 0;
  }

  std::atomic<std::int64_t> limit_ns_{kMostNs};
  std::atomic<std::uint32_t> waits_{0};
};

}  // namespace multiprocessing::queues
