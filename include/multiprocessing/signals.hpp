// SPDX-License-Identifier: BSL-1.0
// Signals without signal handlers (Python's `signal.signal`, `sigtimedwait` and `os.kill`).
//
// What handle() is given runs in ordinary context, where it may allocate, print, lock, put into a
// queue and throw. Process::send_signal, terminate and interrupt are the other end.
//
// Threads: every function may be called from any thread, and from a function given to handle().
// Fork:    a forked child, a Process or any other, goes on with what its parent set up; signals
//          that the parent had got and not yet dealt with are not the child's. A program that is
//          executed anew starts with none of it.
// Signals: a signal that nothing here was asked for keeps the action that it has, SIGINT the one
//          that ends the program and SIGCHLD that of the host. Where several of one kind are sent
//          before the first is delivered, the kernel makes one of them.
#pragma once
#include <sys/types.h>

#include <csignal>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <multiprocessing/detail/signal_function.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/timeout.hpp>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

namespace multiprocessing {

namespace detail {
void set_signal_function(int signal, std::shared_ptr<SignalFunction> function);
[[noreturn]] void refuse_empty_function(int signal);
}  // namespace detail

namespace signals {

/// From here on `function` is called for each `signal` that arrives, as `function(signal)` or as
/// `function()` (`signal.signal`). It replaces what there was for that signal.
///
/// The calls are made by a thread of the library's own, one at a time and in the order in which
/// the signals arrived, with the signal mask of the thread that called handle(); the other threads
/// run on meanwhile. System calls that a signal interrupts are restarted. `function` lives until
/// it is replaced, at the end of the program it is not destroyed.
///
/// An exception that leaves `function` is reported on standard error, and the program goes on.
/// exit() in it ends the process, as sys.exit in Python's handlers does: the children are joined,
/// the standard streams flushed, and the rest is as in std::quick_exit, without the destructors of
/// other threads' frames and of globals, which those threads may be using. Children forked after
/// handle() call their copy of `function` too: for one message on Ctrl-C, print it where
/// parent_process() is none. When the process ends otherwise, the calls for signals that have come
/// are made first; half a second is what they get.
///
/// Throws ValueError for an empty function, for a number that is no signal, for SIGKILL and
/// SIGSTOP, and for SIGSEGV, SIGBUS, SIGFPE and SIGILL, which concern the thread that fails.
template <detail::TakesSignal F> void handle(int signal, F&& function) {
  if constexpr (detail::kMayBeEmpty<F>) {
    if (function == nullptr) detail::refuse_empty_function(signal);
  }
  using Kept = detail::SignalFunctionOf<std::decay_t<F>>;
  detail::set_signal_function(signal,
                              std::make_shared<Kept>(std::in_place, std::forward<F>(function)));
}

/// `SIG_IGN`: the signal is ignored from here on. `SIG_DFL`: it has the system's default action
/// again. That holds for one too that has come but has not reached its function or a wait: a worker
/// that inherits a function and sets SIG_DFL misses no Ctrl-C. Any other function: as above.
/// Throws ValueError for a number that is no signal, SIGKILL and SIGSTOP.
void handle(int signal, void (*action)(int));
void handle(int signal, std::nullptr_t) = delete;  // SIG_DFL says what is meant

/// From here on these signals are kept for wait() and do nothing else, those that have a function
/// excepted: they are kept when it has returned. wait() does this itself; call it where a signal
/// may come before the first wait, say before the child is started that will wait.
/// Throws ValueError as handle() does, and for no signals at all.
void keep(std::span<const int> signals);
inline void keep(std::initializer_list<int> signals) { keep(std::span(signals)); }

/// Sleeps until one of the signals arrives and says which; none when the time is over
/// (`signal.sigtimedwait`). Of several that are there it takes the one listed first.
///
/// What arrived after keep(), handle() or an earlier wait() for it is not lost: each arrival ends
/// one wait, of whichever thread. Of a signal that has a function, the wait ends when that has
/// returned. Signals that the calling thread blocks are let through while it waits.
///
/// Throws as keep(), and RuntimeError within a function given to handle() if all of the signals
/// have functions themselves: they are not called before this one returns.
std::optional<int> wait(std::span<const int> signals, Timeout timeout);
inline std::optional<int> wait(std::initializer_list<int> signals, Timeout timeout = forever) {
  return wait(std::span(signals), timeout);
}

/// Sends a signal to a process, which may be this one (`os.kill`); 0 only asks whether that can be
/// done. Process::send_signal cannot hit a stranger that got the pid of a process that has ended.
/// Throws std::system_error naming both if the system refuses; ValueError for a pid below 1, which
/// would mean whole groups of processes, and for a number that is no signal.
void raise_in(pid_t pid, int signal);

}  // namespace signals
}  // namespace multiprocessing
