// SPDX-License-Identifier: BSL-1.0
#include "os/clock.hpp"

#include <algorithm>
#include <climits>
#include <ctime>

namespace multiprocessing::os {

std::int64_t now_ns() noexcept {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

int Deadline::poll_ms() const noexcept {
  if (is_never()) return -1;
  if (at_ns_ == 0) return 0;
  const std::int64_t left = (at_ns_ - now_ns() + 999'999) / 1'000'000;
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX));
}

}  // namespace multiprocessing::os
