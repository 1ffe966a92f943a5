// SPDX-License-Identifier: BSL-1.0
// Signals that have arrived: written by signal handlers, read in ordinary context.
//
// Both classes are made of lock-free words alone, are ready before any constructor runs and are
// never destroyed. A handler may be anywhere in add() when its thread is interrupted or forks.
#pragma once
#include <array>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <span>

#include "os/clock.hpp"
#include "os/futex.hpp"

namespace multiprocessing::process {

/// One more than the highest number of a signal.
inline constexpr int kSignals = _NSIG;

/// Signals in the order of their arrival, for one reader.
class SignalQueue {
 public:
  /// Async-signal-safe.
  void add(int signal) noexcept;
  /// Sleeps until there is one.
  [[nodiscard]] int take() noexcept;
  /// REQUIRES: no other thread, and signals are blocked.
  void clear() noexcept;

 private:
  static constexpr std::uint32_t kRoom = 1024;

  bool add_in_order(int signal) noexcept;
  int try_take() noexcept;

  os::FutexWord changes_{0};
  std::atomic<std::uint32_t> head_{0};  // the next place to be written
  std::atomic<std::uint32_t> tail_{0};  // the next place to be read
  // 0: free, or its handler has not come to writing it.
  std::array<std::atomic<std::uint8_t>, kRoom> ring_{};
  // How often each came when the ring was full: of those the order is lost.
  std::array<std::atomic<std::uint32_t>, kSignals> beyond_{};
};

/// How often each signal came, for any number of waiters.
class KeptSignals {
 public:
  /// Async-signal-safe.
  void add(int signal) noexcept;
  /// Takes one, the first in the list that there is; 0 when the time is over.
  [[nodiscard]] int take(std::span<const int> signals, const os::Deadline& deadline) noexcept;
  /// Says whether there were any.
  bool forget(int signal) noexcept;
  void clear() noexcept;

 private:
  int try_take(std::span<const int> signals) noexcept;

  os::FutexWord changes_{0};
  std::array<std::atomic<std::uint32_t>, kSignals> counts_{};
};

}  // namespace multiprocessing::process
