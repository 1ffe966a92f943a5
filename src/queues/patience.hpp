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
    os::Spin spin(limit_ns_.load(std::memory_order_relaxed));
    while (spin.again()) {
      if (!ready()) continue;
      spinning_paid();
      return true;
    }
    spinning_was_vain();
    return gate.wait(ready, deadline);
  }

 private:
  static constexpr std::int64_t kMostNs = 10'000;
  static constexpr std::int64_t kLeastNs = 1'000;

  void spinning_paid() noexcept {
    const std::int64_t now = limit_ns_.load(std::memory_order_relaxed);
    if (now < kMostNs) limit_ns_.store(now * 2, std::memory_order_relaxed);
  }
  void spinning_was_vain() noexcept {
    const std::int64_t now = limit_ns_.load(std::memory_order_relaxed);
    if (now > kLeastNs) limit_ns_.store(now / 2, std::memory_order_relaxed);
  }

  std::atomic<std::int64_t> limit_ns_{kMostNs};
};

}  // namespace multiprocessing::queues
