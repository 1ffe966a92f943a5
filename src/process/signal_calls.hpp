// SPDX-License-Identifier: BSL-1.0
// The functions that the program wants called for its signals, and the thread that calls them.
//
// Fork: a child gets a thread of its own, from the hook that pthread_atfork runs in it, if there is
// a function. The lock of the table is held and signals are blocked across the fork, so that the
// child finds the table whole and none of its own signals is forgotten with the parent's.
#pragma once
#include <memory>
#include <multiprocessing/detail/signal_function.hpp>

#include "process/signal_arrivals.hpp"

namespace multiprocessing::process {

/// What arrived and nobody has waited for.
[[nodiscard]] KeptSignals& kept_signals() noexcept;

/// Has the kernel give a signal to this library from here on: for its function if it has one, else
/// to kept_signals().  REQUIRES: a number that sigaction takes.
void receive_signal(int signal);

/// The same, with that function.
void receive_signal(int signal, std::shared_ptr<detail::SignalFunction> function);

/// Gives the signal back: from here on it has that action, SIG_IGN or SIG_DFL, and so has one that
/// came and was neither waited for nor its function called.
void release_signal(int signal, void (*action)(int));

/// Whether the signal has a function.
[[nodiscard]] bool has_signal_function(int signal) noexcept;

/// Whether the calling thread is the one that calls the functions.
[[nodiscard]] bool in_signal_call() noexcept;

/// Waits until the functions of the signals that have come have returned, but not for long, and
/// not in such a function.
void settle_signal_calls() noexcept;

/// Calls no function from here on, and settles.
void end_signal_calls() noexcept;

}  // namespace multiprocessing::process
