// SPDX-License-Identifier: BSL-1.0
// What happens when a process ends in order: Python's exit functions.
#pragma once
#include <cstdint>
#include <functional>

namespace multiprocessing::process {

using FinalizerId = std::uint64_t;

/// Has `finalizer` run once at the orderly end of this process, not of its forked children:
/// those of priority 0 and above before the children are joined, the others after it; the highest
/// priority first, of equal ones the newest. What it throws is logged.
FinalizerId add_finalizer(int priority, std::function<void()> finalizer);

/// Forgets it; false if it has begun to run.
bool remove_finalizer(FinalizerId id) noexcept;

/// Says whether it is the calling thread that ends this process: the first one that asked. The
/// others have to wait for the end, so that there is one exit code.
[[nodiscard]] bool begin_ending() noexcept;

/// Whether another thread ends this process and nothing will wait for the calling one: no
/// destructor of a global follows, as after std::exit. Claims nothing.
[[nodiscard]] bool ended_by_another() noexcept;

/// The functions of signals that have come; finalizers; SIGTERM to the daemons; join of every
/// child; the other finalizers. Once a process. Returns only in the thread that ends it.
void run_exit_procedure() noexcept;

/// Has the procedure run when the first process leaves main or calls std::exit.
void register_exit_hook();

/// What exit() does when the stack is unwound.
[[noreturn]] void end_process(int code) noexcept;

/// While one lives in a thread, multiprocessing::exit throws SystemExit there, for whoever made it
/// catches that. Elsewhere it unwinds the whole stack.
class ExitScope {
 public:
  ExitScope() noexcept;
  ~ExitScope();
  ExitScope(const ExitScope&) = delete;
  ExitScope& operator=(const ExitScope&) = delete;
};

/// Whether the calling thread is in such a scope.
[[nodiscard]] bool in_exit_scope() noexcept;

}  // namespace multiprocessing::process
