// SPDX-License-Identifier: BSL-1.0
// How long a process looks for a message before it goes to sleep, and how often: as has been
// paying.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

#include "os/spin.hpp"

namespace multiprocessing::os {

/// One for each process and side. Threads: races only make it a little more or less patient.
class Patience {
 public:
  /// Looks until `available()`, a number, is not 0; false: it is time to sleep.
  template <class Available> bool look(const Available& available) noexcept {
    const std::int64_t limit_ns = limit();
    if (limit_ns == 0) return false;
    if (look_for(available, limit_ns)) return true;
    limit_ns_.store(limit_ns > kLeastNs ? limit_ns / 2 : 0, std::memory_order_relaxed);
    return false;
  }

 private:
  // Longer than a CPU of a virtual machine takes to wake: two sides that have fallen asleep at
  // each message find back to looking only if one of them outlasts the other's waking.
  static constexpr std::int64_t kMostNs = 50'000;
  static constexpr std::int64_t kLeastNs = 1'000;
  static constexpr std::uint32_t kWaitsToTryAgain = 32;
  static constexpr std::uint32_t kMostRounds = 8;  // of some 50 ns
  static constexpr std::uint32_t kGoodBatch = 3;

  template <class Available>
  bool look_for(const Available& available, std::int64_t limit_ns) noexcept {
    Spin spin(limit_ns);
    const std::uint32_t aside = rounds_aside();
    for (std::uint32_t round = 0; spin.again(); ++round) {
      if (round < aside) continue;
      const std::uint32_t found = available();
      if (found == 0) continue;
      limit_ns_.store(kMostNs, std::memory_order_relaxed);
      note_found(aside, found);
      return true;
    }
    return false;
  }

  // Where looking was in vain for long it is tried again now and then: the others may be quicker.
  std::int64_t limit() noexcept {
    const std::int64_t limit_ns = limit_ns_.load(std::memory_order_relaxed);
    return limit_ns != 0 ? limit_ns : now_and_then() ? kMostNs / 2 : 0;
  }

  // Each look takes the cache line from the other side, which then is as slow as the line travels.
  // In a stream of messages it is quicker to look aside until some have gathered; where only one
  // comes at a time that would be a delay for nothing. Which it is, a trial now and then tells.
  std::uint32_t rounds_aside() noexcept {
    const std::uint32_t aside = aside_.load(std::memory_order_relaxed);
    return aside != 0 ? aside : now_and_then() ? 2 : 0;
  }
  void note_found(std::uint32_t aside, std::uint32_t found) noexcept {
    const std::uint32_t next =
        aside == 0 || found < kGoodBatch ? 0 : std::min(aside + 1, kMostRounds);
    if (next != aside_.load(std::memory_order_relaxed)) {
      aside_.store(next, std::memory_order_relaxed);
    }
  }

  bool now_and_then() noexcept {
    const std::uint32_t waits = waits_.load(std::memory_order_relaxed) + 1;
    waits_.store(waits, std::memory_order_relaxed);
    return waits % kWaitsToTryAgain == 0;
  }

  std::atomic<std::int64_t> limit_ns_{kMostNs};
  std::atomic<std::uint32_t> aside_{0};
  std::atomic<std::uint32_t> waits_{0};
};

}  // namespace multiprocessing::os
