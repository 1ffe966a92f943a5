// SPDX-License-Identifier: BSL-1.0
// Pauses between attempts, where the kernel has nothing to wait for.
#pragma once
#include <algorithm>
#include <chrono>

#include "os/poll.hpp"

namespace multiprocessing::os {

/// From 1 to 10 ms, so that who waits for long costs little.
class Pauses {
 public:
  /// Waits a little longer each time; false, and at once, if the deadline has passed.
  [[nodiscard]] bool next(const Deadline& deadline) {
    if (deadline.passed()) return false;
    const Deadline pause = Deadline::after(length_);
    length_ = std::min(2 * length_, kLongest);
    poll_until({}, deadline.at_ns() < pause.at_ns() ? deadline : pause);
    return true;
  }

 private:
  static constexpr std::chrono::milliseconds kLongest{10};
  std::chrono::milliseconds length_{1};
};

}  // namespace multiprocessing::os
