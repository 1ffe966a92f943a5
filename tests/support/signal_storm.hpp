// SPDX-License-Identifier: BSL-1.0
// Signals that hammer a thread, to show that its blocking calls are not disturbed.
#pragma once
#include <csignal>
#include <ctime>

namespace multiprocessing::test {

/// While it lives, the thread that made it gets SIGUSR2 every 200 microseconds; the handler does
/// nothing and does not restart system calls, so every blocking one sees EINTR. Several threads may
/// have one.
class SignalStorm {
 public:
  SignalStorm();
  ~SignalStorm();
  SignalStorm(const SignalStorm&) = delete;
  SignalStorm& operator=(const SignalStorm&) = delete;

  /// Signals that the process has got from storms so far.
  [[nodiscard]] static int count() noexcept;

 private:
  timer_t timer_{};
};

}  // namespace multiprocessing::test
