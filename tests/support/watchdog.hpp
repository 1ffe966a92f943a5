// SPDX-License-Identifier: BSL-1.0
// Ends a test that hangs, and what it started.
#pragma once
#include <chrono>
#include <ctime>

namespace multiprocessing::test {

/// Kills the test program's process group when it is not destroyed in time, which fails the test.
///
/// A timer and a signal (SIGRTMAX - 1), no thread and no child, so that it disturbs neither a fork
/// nor a count of children. It makes the program the leader of its own process group. Fork: the
/// child is not watched, but it is in the group.
class Watchdog {
 public:
  explicit Watchdog(std::chrono::milliseconds limit = std::chrono::seconds(60));
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  timer_t timer_{};
};

}  // namespace multiprocessing::test
