// SPDX-License-Identifier: BSL-1.0
// How long a call with a time limit waits for a lock of our own.
#pragma once
#include "os/clock.hpp"

namespace multiprocessing::sync {

/// At least this long: a call that must not block still has to get past who is at work inside for
/// a moment; at most, so that a stopped process cannot hold up who asked for a limit.
[[nodiscard]] inline os::Deadline patience(const os::Deadline& deadline) noexcept {
  if (deadline.is_never()) return deadline;
  const os::Deadline least = os::Deadline::after(std::chrono::milliseconds(100));
  return deadline.at_ns() < least.at_ns() ? least : deadline;
}

}  // namespace multiprocessing::sync
