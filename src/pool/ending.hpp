// SPDX-License-Identifier: BSL-1.0
// Who calls a pool while exit() in another thread ends the process, and so the pool.
//
// Nobody shall take what comes of that end for a failure: an exception that nobody catches would
// end the program by abort() before it has ended in order. So the caller waits for the end. See
// also detail::fail_unless_ending() in job.hpp.
#pragma once
#include <exception>

namespace multiprocessing::pool {

/// While one lives, the end may wait for the thread that made it, which then gets its exceptions:
/// it reads a result, or runs a callback.
class NeededByEnd {
 public:
  NeededByEnd() noexcept { ++depth; }
  ~NeededByEnd() { --depth; }
  NeededByEnd(const NeededByEnd&) = delete;
  NeededByEnd& operator=(const NeededByEnd&) = delete;

 private:
  friend bool waits_for_ending() noexcept;
  static inline constinit thread_local int depth = 0;
};

/// Whether the calling thread is to wait for that end.
[[nodiscard]] bool waits_for_ending() noexcept;

}  // namespace multiprocessing::pool
