// SPDX-License-Identifier: BSL-1.0
// Monotonic time, and the moment at which a blocking call gives up.
#pragma once
#include <algorithm>
#include <cstdint>
#include <multiprocessing/timeout.hpp>

namespace multiprocessing::os {

/// CLOCK_MONOTONIC in nanoseconds.
[[nodiscard]] std::int64_t now_ns() noexcept;

/// A Timeout fixed to a moment, so that retries do not begin it anew.
class Deadline {
 public:
  /// A zero timeout reads no clock.
  [[nodiscard]] static Deadline after(Timeout timeout) noexcept {
    if (timeout.is_forever()) return Deadline(kNever);
    return Deadline(timeout.nanoseconds() == 0 ? 0 : now_ns() + timeout.nanoseconds());
  }
  [[nodiscard]] static Deadline never() noexcept { return Deadline(kNever); }

  [[nodiscard]] bool is_never() const noexcept { return at_ns_ == kNever; }
  [[nodiscard]] bool passed() const noexcept {
    return at_ns_ == 0 || (!is_never() && now_ns() >= at_ns_);
  }
  /// This one, or a few milliseconds from now, whichever is first.
  [[nodiscard]] Deadline or_soon() const noexcept {
    return Deadline(std::min(at_ns_, now_ns() + kSoonNs));
  }
  /// The moment in nanoseconds of now_ns(); the largest number for never().
  [[nodiscard]] std::int64_t at_ns() const noexcept { return at_ns_; }
  /// For poll(2): -1 for never, else milliseconds rounded up.
  [[nodiscard]] int poll_ms() const noexcept;

 private:
  static constexpr std::int64_t kNever = INT64_MAX;
  static constexpr std::int64_t kSoonNs = 5'000'000;
  explicit Deadline(std::int64_t at_ns) noexcept : at_ns_(at_ns) {}
  std::int64_t at_ns_;
};

}  // namespace multiprocessing::os
