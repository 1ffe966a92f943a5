// SPDX-License-Identifier: BSL-1.0
// The public functions: which signals they take, and what they say to the others.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <multiprocessing/signals.hpp>
#include <string>
#include <string_view>
#include <system_error>

#include "os/signal_mask.hpp"
#include "process/signal_calls.hpp"

namespace multiprocessing {
namespace {

std::string described(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal)
                         : fmt::format("signal {} (SIG{})", signal, name);
}

// glibc keeps those between the standard and the real-time signals for itself.
bool is_signal(int number) {
  return (number > 0 && number < 32) || (number >= SIGRTMIN && number <= SIGRTMAX);
}

void require_changeable(int signal, std::string_view what) {
  if (!is_signal(signal)) {
    throw ValueError(fmt::format("cannot {} signal {}: there is no such signal", what, signal));
  }
  if (signal == SIGKILL || signal == SIGSTOP) {
    throw ValueError(fmt::format("cannot {} {}: the kernel lets nobody change what it does", what,
                                 described(signal)));
  }
}

void require_receivable(int signal, std::string_view what) {
  require_changeable(signal, what);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) {
    if (signal != fault) continue;
    throw ValueError(
        fmt::format("cannot {} {}: it is the failure of one thread, which cannot go on; sigaction "
                    "sets a handler that runs in that thread",
                    what, described(signal)));
  }
}

class PlainFunction final : public detail::SignalFunction {
 public:
  explicit PlainFunction(void (*function)(int)) : function_(function) {}
  void call(int signal) override { function_(signal); }

 private:
  void (*function_)(int);
};

sigset_t set_of(std::span<const int> signals) noexcept {
  sigset_t set = os::no_signals();
  for (const int signal : signals) ::sigaddset(&set, signal);
  return set;
}

void receive_all(std::span<const int> signals, std::string_view what) {
  if (signals.empty()) {
    throw ValueError(fmt::format("cannot {} no signals at all; name one or more", what));
  }
  for (const int signal : signals) require_receivable(signal, what);
  for (const int signal : signals) process::receive_signal(signal);
}

}  // namespace

void detail::set_signal_function(int signal, std::shared_ptr<SignalFunction> function) {
  require_receivable(signal, "handle");
  process::receive_signal(signal, std::move(function));
}

void detail::refuse_empty_function(int signal) {
  throw ValueError(fmt::format(
      "cannot handle {} with an empty function; SIG_IGN ignores a signal, SIG_DFL gives it its "
      "default action",
      described(signal)));
}

void signals::handle(int signal, void (*action)(int)) {
  if (action == SIG_DFL || action == SIG_IGN) {
    require_changeable(signal, action == SIG_IGN ? "ignore" : "handle");
    process::release_signal(signal, action);
  } else {
    detail::set_signal_function(signal, std::make_shared<PlainFunction>(action));
  }
}

void signals::keep(std::span<const int> signals) { receive_all(signals, "keep"); }

std::optional<int> signals::wait(std::span<const int> signals, Timeout timeout) {
  const auto deadline = os::Deadline::after(timeout);
  receive_all(signals, "wait for");
  const bool never_comes = process::in_signal_call() && std::all_of(signals.begin(), signals.end(),
                                                                    process::has_signal_function);
  const os::SignalMask unblocked(SIG_UNBLOCK, set_of(signals));
  const int signal = process::kept_signals().take(
      signals, never_comes ? os::Deadline::after(std::chrono::seconds(0)) : deadline);
  if (signal != 0) return signal;
  if (!never_comes) return std::nullopt;
  throw RuntimeError(
      fmt::format("cannot wait for {} here: its function is called when the one that now runs for "
                  "another signal has returned",
                  described(signals.front())));
}

void signals::raise_in(pid_t pid, int signal) {
  if (pid <= 0) {
    throw ValueError(fmt::format("cannot send {} to pid {}: only a pid above 0 names one process",
                                 described(signal), pid));
  }
  if (signal != 0 && !is_signal(signal)) {
    throw ValueError(
        fmt::format("cannot send signal {} to pid {}: there is no such signal", signal, pid));
  }
  if (::kill(pid, signal) == 0) return;
  throw std::system_error(errno, std::generic_category(),
                          fmt::format("cannot send {} to pid {}", described(signal), pid));
}

}  // namespace multiprocessing
