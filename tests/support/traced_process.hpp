// SPDX-License-Identifier: BSL-1.0
// A forked child under ptrace, for the step killer.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>

namespace multiprocessing::test {

/// Stands still before `act` when it is made. Killed and reaped with this object.
class TracedProcess {
 public:
  enum class State { kStopped, kBlocked, kEnded };

  TracedProcess(const std::function<void()>& approach, const std::function<void()>& act);
  ~TracedProcess();
  TracedProcess(const TracedProcess&) = delete;
  TracedProcess& operator=(const TracedProcess&) = delete;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// The instruction it comes to next.  REQUIRES: it is stopped.
  [[nodiscard]] std::uintptr_t instruction() const noexcept;
  /// Does one instruction. A system call in which it sleeps for more than 25 ms gives kBlocked; one
  /// that took as long and ended, as those of a poll do, gives kBlocked the second time; one whose
  /// time was over before it began, the fifth time.
  State step();
  /// Goes on to where its next system call begins or ends. kBlocked: it sleeps in one; call again.
  State next_system_call();
  /// Goes on until it comes to that instruction for the n-th time from here, n >= 1.
  State run_to(std::uintptr_t address, int n);

 private:
  State resume(int request);
  void kill() noexcept;

  pid_t pid_ = -1;
  int pending_signal_ = 0;  // what it was stopped by and has yet to get
  int long_calls_ = 0;      // system calls that took so long
  int late_calls_ = 0;      // whose time was over
};

}  // namespace multiprocessing::test
