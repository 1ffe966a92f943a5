// SPDX-License-Identifier: BSL-1.0
// The process that forks children on request, for the start method forkserver.
//
// It is a fresh image of the program that never runs its main, has one thread, and belongs to the
// process that started it, but is no child of it: a program that waits for all of its children does
// not wait for this one.
//
// Death: of its owner: it ends at once, by the owner's pidfd. Of itself: the owner starts another
// one when it needs one; the children live on, and their ends are known by their pidfds.
#pragma once
#include <cstdint>

#include "memory/identity.hpp"
#include "memory/object.hpp"

namespace multiprocessing::process {

/// What an owner asks for: a child that reads its description from the descriptor that comes along.
struct ForkRequest {
  memory::Offset record_page;
  memory::Offset record;
};

/// The answer; with it comes the child's pidfd, unless there is an error.
struct ForkReply {
  std::int32_t pid;
  std::int32_t error;  ///< errno; 0: it runs
};

/// Serves the owner at the other end of `channel` until that one ends. The first that comes is a
/// handover with the owner's pidfd and the functions to call beforehand; the server answers with
/// its serial.
[[noreturn]] void run_fork_server(int channel, memory::Serial owner) noexcept;

}  // namespace multiprocessing::process
