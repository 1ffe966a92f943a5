// SPDX-License-Identifier: BSL-1.0
#include "os/spin.hpp"

#include <sched.h>

#include "os/clock.hpp"

namespace multiprocessing::os {

bool spinning_helps() noexcept {
  static const bool several = [] {
    cpu_set_t set;
    return ::sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) > 1;
  }();
  return several;
}

bool Spin::again() noexcept {
  if (!spinning_helps()) return false;
  for (int i = 0; i < 8; ++i) cpu_relax();
  // The clock costs as much as the pauses: ask it at every fourth round.
  if ((rounds_++ & 3U) != 0) return true;
  const std::int64_t now = now_ns();
  if (until_ns_ == 0) until_ns_ = now + limit_ns_;
  return now < until_ns_;
}

}  // namespace multiprocessing::os
