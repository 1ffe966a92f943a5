// SPDX-License-Identifier: BSL-1.0
#include "process/signal_calls.hpp"

#include <cxxabi.h>
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include "os/first_use.hpp"
#include "os/fork_mutex.hpp"
#include "os/log.hpp"
#include "os/stdio.hpp"
#include "os/thread.hpp"
#include "process/bootstrap.hpp"
#include "process/exit.hpp"
#include "process/report.hpp"
#include "process/tree.hpp"

namespace multiprocessing::process {
namespace {

// What the signal handler uses.
constinit SignalQueue queue;
constinit KeptSignals kept;
enum class Use : std::uint8_t { kNone, kKept, kCalled };
constinit std::array<std::atomic<Use>, kSignals> uses{};

// A function, and the mask that it is called with.
struct Callee {
  std::shared_ptr<detail::SignalFunction> function;
  sigset_t mask{};
};

struct Table {
  std::mutex mutex;  // held across fork; nothing of the program is called under it
  std::array<Callee, kSignals> callees;
  sigset_t mask_before_fork{};
  bool thread_runs = false;
};

Table& table() {
  static constinit os::FirstUse<Table> one;
  return one.get();
}

constinit os::FutexWord outstanding{0};         // signals whose function has not returned
constinit os::FutexWord begun_in{0};            // fork generation + 1 of the thread's process
constinit std::atomic<std::uint32_t> ended{0};  // fork generation + 1: no further call
constinit std::atomic<bool> functions_were_set{false};
thread_local std::uint32_t caller_of = 0;  // fork generation + 1 in the thread that calls

std::uint32_t this_process() noexcept { return os::fork_generation() + 1; }

std::size_t index(int signal) noexcept { return static_cast<std::size_t>(signal); }

std::string signal_name(int signal) {
  const char* name = ::sigabbrev_np(signal);
  return name == nullptr ? fmt::format("signal {}", signal) : fmt::format("SIG{}", name);
}

// One that came too early for the action that it has by now. Async-signal-safe.
void send_on(int signal) noexcept { ::kill(::getpid(), signal); }

// Async-signal-safe.
void on_signal(int signal) {
  const int error = errno;
  switch (uses[index(signal)].load(std::memory_order_acquire)) {
    case Use::kCalled:
      outstanding.fetch_add(1, std::memory_order_relaxed);
      queue.add(signal);
      break;
    case Use::kKept:
      kept.add(signal);
      break;
    case Use::kNone:
      send_on(signal);
      break;
  }
  errno = error;
}

std::string own_name() {
  const auto self = current();
  const std::lock_guard guard(lock());
  return self->name;
}

// ---- the thread

Callee callee_of(int signal) {
  const std::lock_guard guard(table().mutex);
  return table().callees[index(signal)];
}

// Nothing where the function returned or threw, the exit code where it called exit().
// The end of a thread that is caught is no object: UBSan would mind the reference to it, and
// would where this is inlined.
__attribute__((no_sanitize("null"), noinline)) std::optional<int> run(
    detail::SignalFunction& function, int signal) {
  const ExitScope scope;
  try {
    function.call(signal);
  } catch (const SystemExit& exit) {
    return exit.code();
  } catch (const abi::__forced_unwind&) {
    throw;
  } catch (...) {
    report_exception(own_name(), fmt::format(", in the function of {}", signal_name(signal)));
  }
  return std::nullopt;
}

void finish_call() noexcept {
  if (outstanding.fetch_sub(1, std::memory_order_release) == 1) os::futex_wake(outstanding);
}

// The other threads run on: no destructor of a global may take away what they use.
[[noreturn]] void end_process(int exitcode) {
  if (is_child()) leave(exitcode);
  run_exit_procedure();
  os::flush_standard_streams();
  std::quick_exit(exitcode);
}

void call_function_of(int signal) {
  const Callee callee = callee_of(signal);
  if (callee.function == nullptr) send_on(signal);
  if (callee.function == nullptr || ended.load() == this_process()) return finish_call();
  const os::ProgramCode counted;
  sigset_t own_mask;
  ::pthread_sigmask(SIG_SETMASK, &callee.mask, &own_mask);
  const std::optional<int> exitcode = run(*callee.function, signal);
  ::pthread_sigmask(SIG_SETMASK, &own_mask, nullptr);
  if (!in_signal_call()) return;
  if (exitcode && begin_ending()) end_process(*exitcode);
  kept.add(signal);
  finish_call();
}

void start_thread();

// As above.
__attribute__((no_sanitize("null"), noinline)) void call_functions(void*) {
  caller_of = this_process();
  begun_in.store(this_process(), std::memory_order_release);
  os::futex_wake(begun_in);
  try {
    while (in_signal_call()) call_function_of(queue.take());
    // The function forked, and has returned in the child: this was the last of the program's
    // threads.
    end_process(0);
  } catch (const abi::__forced_unwind&) {
    // pthread_exit in a function: that ends this thread, but not the calls.
    finish_call();
    start_thread();
    throw;
  }
}

void start_thread() {
  static os::ThreadStart start{"mp signals", call_functions, nullptr};
  os::start_library_thread(start);
}

// A fork that finds the thread half made would leave what makes it locked in the child: that of
// the C library is mended there, a sanitizer's is not.
void await_thread() noexcept {
  for (std::uint32_t seen = begun_in.load(std::memory_order_acquire); seen != this_process();
       seen = begun_in.load(std::memory_order_acquire))
    os::futex_wait(begun_in, seen, os::Deadline::never().at_ns());
}

// ---- fork

void before_fork() {
  Table& all = table();
  all.mutex.lock();
  sigset_t every;
  ::sigfillset(&every);
  ::pthread_sigmask(SIG_BLOCK, &every, &all.mask_before_fork);
}

void after_fork() {
  Table& all = table();
  const sigset_t mask = all.mask_before_fork;
  all.mutex.unlock();
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
}

void after_fork_in_child() {
  queue.clear();
  kept.clear();
  outstanding.store(0);
  Table& all = table();
  if (std::exchange(all.thread_runs, false)) {
    try {
      start_thread();
      all.thread_runs = true;
    } catch (const std::system_error&) {
      // Nothing can be said here. The next handle() tries again, and reports it.
    }
  }
  after_fork();
}

void register_fork_hooks() {
  static constinit os::FirstUse<const int> registered;
  static_cast<void>(registered.get(
      [] { return ::pthread_atfork(before_fork, after_fork, after_fork_in_child); }));
}

// ---- what the kernel does

void set_action(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  ::sigfillset(&action.sa_mask);
  if (::sigaction(signal, &action, nullptr) == 0) return;
  throw std::system_error(errno, std::generic_category(),
                          fmt::format("cannot change the action of {}", signal_name(signal)));
}

bool is_received(int signal) {
  struct sigaction action {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == on_signal;
}

}  // namespace

KeptSignals& kept_signals() noexcept { return kept; }

void receive_signal(int signal) {
  if (is_received(signal)) return;
  register_fork_hooks();
  const std::lock_guard guard(table().mutex);
  Use none = Use::kNone;
  uses[index(signal)].compare_exchange_strong(none, Use::kKept);
  set_action(signal, on_signal);
}

void receive_signal(int signal, std::shared_ptr<detail::SignalFunction> function) {
  register_exit_hook();
  register_fork_hooks();
  Callee callee{std::move(function), {}};  // holds the former one afterwards, dropped unlocked
  ::pthread_sigmask(SIG_BLOCK, nullptr, &callee.mask);
  Table& all = table();
  std::unique_lock guard(all.mutex);
  functions_were_set.store(true, std::memory_order_relaxed);
  if (!all.thread_runs) {
    start_thread();
    all.thread_runs = true;
    await_thread();
  }
  std::swap(all.callees[index(signal)], callee);
  uses[index(signal)].store(Use::kCalled, std::memory_order_release);
  set_action(signal, on_signal);
  guard.unlock();
}

void release_signal(int signal, void (*action)(int)) {
  Callee former;  // dropped unlocked
  bool unseen = false;
  {
    const std::lock_guard guard(table().mutex);
    set_action(signal, action);
    const Use use = uses[index(signal)].exchange(Use::kNone);
    std::swap(table().callees[index(signal)], former);
    unseen = kept.forget(signal) && use == Use::kKept;
  }
  if (unseen) send_on(signal);
}

bool has_signal_function(int signal) noexcept {
  return uses[index(signal)].load(std::memory_order_acquire) == Use::kCalled;
}

bool in_signal_call() noexcept { return caller_of == this_process(); }

void settle_signal_calls() noexcept {
  // Most processes leave here: the clock is two pages that a fresh child has not touched.
  if (in_signal_call() || outstanding.load(std::memory_order_acquire) == 0) return;
  const auto deadline = os::Deadline::after(std::chrono::milliseconds(500));
  while (const std::uint32_t seen = outstanding.load(std::memory_order_acquire)) {
    if (deadline.passed()) return;
    os::futex_wait(outstanding, seen, deadline.at_ns());
  }
}

void end_signal_calls() noexcept {
  // A write would cost every child of a program without such functions the copy of a page.
  if (!functions_were_set.load(std::memory_order_relaxed)) return;
  ended.store(this_process());
  settle_signal_calls();
}

}  // namespace multiprocessing::process
