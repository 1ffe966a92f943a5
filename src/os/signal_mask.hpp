// SPDX-License-Identifier: BSL-1.0
// Another signal mask for a while.
#pragma once
#include <csignal>

namespace multiprocessing::os {

[[nodiscard]] inline sigset_t no_signals() noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  return set;
}

[[nodiscard]] inline sigset_t all_signals() noexcept {
  sigset_t set;
  ::sigfillset(&set);
  return set;
}

/// The calling thread's mask: changed, and as it was at the end of the scope.
class SignalMask {
 public:
  /// `how`: SIG_BLOCK, SIG_UNBLOCK or SIG_SETMASK.
  SignalMask(int how, const sigset_t& set) noexcept { ::pthread_sigmask(how, &set, &before_); }
  SignalMask(const SignalMask&) = delete;
  SignalMask& operator=(const SignalMask&) = delete;
  ~SignalMask() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace multiprocessing::os
