// SPDX-License-Identifier: BSL-1.0
// Writing to a pipe that nobody reads, without its signal.
#pragma once
#include <csignal>

#include <cerrno>
#include <ctime>

namespace multiprocessing::os {

/// Keeps the SIGPIPE of this thread's own writes from the program: blocks it, and takes it away
/// unless it was there before.
class NoSigpipe {
 public:
  NoSigpipe() noexcept {
    sigset_t pending;
    ::sigpending(&pending);
    was_pending_ = ::sigismember(&pending, SIGPIPE) == 1;
    ::pthread_sigmask(SIG_BLOCK, &only(), &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    const int error = errno;
    const timespec at_once{};
    if (!was_pending_) {
      while (::sigtimedwait(&only(), nullptr, &at_once) < 0 && errno == EINTR) {
      }
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = error;
  }

 private:
  static const sigset_t& only() noexcept {
    static const sigset_t set = [] {
      sigset_t one;
      ::sigemptyset(&one);
      ::sigaddset(&one, SIGPIPE);
      return one;
    }();
    return set;
  }
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace multiprocessing::os
