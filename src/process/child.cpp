// SPDX-License-Identifier: BSL-1.0
#include "process/child.hpp"

#include <sys/wait.h>

#include <ctime>

namespace multiprocessing::process {

constexpr int kUnknown = 255;  // as Python reports a child whose status nobody has

bool Child::await_end(const os::Deadline& deadline) {
  return os::wait_readable(pidfd().get(), deadline);
}

// A debugger holds it, or another thread is just taking it.
void Child::await_status(const os::Deadline& /*deadline*/) {
  const timespec pause{0, 1'000'000};
  ::nanosleep(&pause, nullptr);
}

std::optional<Ending> DirectChild::poll() {
  int status = 0;
  Ending ending;
  switch (os::reap(pidfd(), status)) {
    case os::Reaped::kNotYet:
      return std::nullopt;
    case os::Reaped::kTaken:
      ending.exitcode = os::exit_code_of(status);
      ending.clean = record_->read_report().clean && WIFEXITED(status);
      break;
    case os::Reaped::kStolen:
      // Also the answer for a moment about a child that somebody is just taking.
      if (!os::wait_readable(pidfd().get(), os::Deadline::after(std::chrono::seconds(0)))) {
        return std::nullopt;
      }
      ending = ending_of_stolen(os::status_after_reaping(pidfd()), record_->read_report());
      break;
  }
  memory::forget_child(record_->adoption);
  record_ = {};
  return ending;
}

Ending ending_of_stolen(std::optional<int> kernel, ExitReport report) noexcept {
  if (kernel) return {os::exit_code_of(*kernel), report.clean && WIFEXITED(*kernel), false};
  if (report.written) return {report.exitcode, report.clean, false};
  return {kUnknown, false, true};
}

}  // namespace multiprocessing::process
