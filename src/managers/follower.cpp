// SPDX-License-Identifier: BSL-1.0
#include "managers/follower.hpp"

#include <sched.h>

namespace multiprocessing::managers {
namespace {

// Moving costs some microseconds, and clients move, too.
constexpr std::uint32_t kOften = 64;

}  // namespace

void Follower::follow(int cpu) noexcept {
  if (cpu == ::sched_getcpu()) {
    apart_ = 0;
    return;
  }
  if (++apart_ < kOften) return;
  apart_ = 0;
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0 || !CPU_ISSET(cpu, &allowed)) return;
  cpu_set_t there;
  CPU_ZERO(&there);
  CPU_SET(cpu, &there);
  if (::sched_setaffinity(0, sizeof there, &there) == 0) {
    ::sched_setaffinity(0, sizeof allowed, &allowed);
  }
}

}  // namespace multiprocessing::managers
