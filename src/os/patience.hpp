// SPDX-License-Identifier: BSL-1.0
// How long a process looks for a message before it goes to sleep, and how often: as has been
// paying.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>

#include "os/aside.hpp"
#include "os/spin.hpp"

namespace multiprocessing::os {

/// One for each process and side. Threads: races only make it a little more or less patient.
class Patience {
 public:
  Patience() noexcept = default;
  /// Looks aside for no longer than that, see Aside.
  Patience(std::uint32_t most_rounds_aside, std::uint32_t most_messages_aside) noexcept
      : aside_(most_rounds_aside, most_messages_aside) {}

  /// Where each message takes long to come: how many rounds of some 50 ns.
  void each_takes(std::uint32_t rounds) noexcept { aside_.each_takes(rounds); }

  /// Looks until `available()`, a number, is not 0; false: it is time to sleep.
  template <class Available> bool look(const Available& available) noexcept {
    if (!hopes()) return false;
    const std::uint32_t hope = hope_.load(std::memory_order_relaxed);
    Spin spin(hope == 0 ? kSoonNs : kLongestNs);
    const bool found = look_with(spin, available);
    if (!found) {
      set_hope(hope / 2);
    } else if (spin.took_ns() < kSoonNs) {
      set_hope(std::min(hope + kGain, kMostHope));
    } else if (hope != 0) {
      set_hope(hope - 1);
    }
    return found;
  }

 private:
  // Less than falling asleep and waking costs.
  static constexpr std::int64_t kSoonNs = 10'000;
  // More than a CPU of a virtual machine needs to wake, see hopes().
  static constexpr std::int64_t kLongestNs = 50'000;
  static constexpr std::uint32_t kMostHope = 64;
  static constexpr std::uint32_t kGain = 4;
  static constexpr std::uint32_t kWaitsToTryAgain = 32;
  static constexpr std::uint32_t kWaitsToInsist = 2048;

  template <class Available> bool look_with(Spin& spin, const Available& available) noexcept {
    const Aside::Wait aside = aside_.begin();
    const auto finds = [&]() noexcept {
      const std::uint32_t found = available();
      if (found != 0) aside_.end(aside, found);
      return found != 0;
    };
    for (std::uint32_t round = 0; spin.again(); ++round) {
      if (round >= aside.rounds() && finds()) return true;
    }
    // The time may have passed with looking aside.
    return finds();
  }

  // Where looking was in vain for long it is tried again now and then: the others may be quicker.
  // Two sides that wait for each other and sleep each time stay so, however quick they could be,
  // until one of them outlasts the other's waking often enough for that one to look meanwhile.
  bool hopes() noexcept {
    if (hope_.load(std::memory_order_relaxed) != 0) return true;
    const std::uint32_t waits = count_wait();
    if (waits % kWaitsToInsist == 0) set_hope(kMostHope);
    return waits % kWaitsToTryAgain == 0;
  }
  void set_hope(std::uint32_t hope) noexcept {
    if (hope != hope_.load(std::memory_order_relaxed)) {
      hope_.store(hope, std::memory_order_relaxed);
    }
  }

  std::uint32_t count_wait() noexcept {
    const std::uint32_t waits = waits_.load(std::memory_order_relaxed) + 1;
    waits_.store(waits, std::memory_order_relaxed);
    return waits;
  }

  std::atomic<std::uint32_t> hope_{kMostHope};  // looks that may yet be in vain
  std::atomic<std::uint32_t> waits_{0};
  Aside aside_;
};

}  // namespace multiprocessing::os
