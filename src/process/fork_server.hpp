// SPDX-License-Identifier: BSL-1.0
// The process that forks children on request, for the start method forkserver.
//
// It is a fresh image of the program that never runs its main, has one thread, and belongs to the
// process that started it, but is no child of it: a program that waits for all of its children does
// not wait for this one.
//
// Death: of its owner: it ends at once, by the owner's pidfd, also in the middle of a request and
// whoever else holds the owner's end of the channel. Of itself: the owner starts another one when
// it needs one; the children live on, and their ends are known by their pidfds. A child whose owner
// has not heard of it runs nothing: it waits for the "go" in its record.
#pragma once
#include <cstdint>
#include <multiprocessing/detail/encoder.hpp>

#include "memory/identity.hpp"
#include "os/fd.hpp"
#include "process/exit_record.hpp"
#include "process/handover.hpp"

namespace multiprocessing::process {

// greeting := owner's pidfd, file of the records, function to call before anything else?
// request  := description padding front position-of-front:u64
// front    := surroundings? number-of-record:u32 streams
//
// The surroundings are the server's own from then on, so they come only where they have changed.
// The description and the streams are for the child; see description.hpp.

/// What a request became in the child that was forked for it.
struct ServedRequest {
  ServedRequest(int channel, const Peer& sender);

  HandedOver message;
  detail::Decoder front;         ///< what is left of it: the streams
  ExitRecord* record = nullptr;  ///< the child's
  os::Fd owner;                  ///< its pidfd
};

enum class Refused : std::int32_t { kNothing, kFork, kDirectory, kDescriptors };

/// The answer to a request; with it comes the child's pidfd, if nothing is refused.
struct ForkReply {
  std::int32_t pid = -1;  ///< -1: nothing was forked
  Refused refused = Refused::kNothing;
  std::int32_t error = 0;  ///< errno
};

/// Serves the owner at the other end of `channel` until that one ends. The first that goes is the
/// server's pidfd, the first that comes the greeting; the server answers with its serial.
[[noreturn]] void run_fork_server(int channel, memory::Serial owner) noexcept;

}  // namespace multiprocessing::process
