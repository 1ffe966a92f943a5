// SPDX-License-Identifier: BSL-1.0
#include "os/poll.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <system_error>

namespace multiprocessing::os {
namespace {

std::atomic<void (*)()> idle_work{nullptr};

}  // namespace

void set_idle_work(void (*work)()) noexcept { idle_work.store(work); }

int poll_until(std::span<pollfd> entries, const Deadline& deadline) {
  for (;;) {
    std::int64_t ns = 0;
    if (deadline.at_ns() != 0) {
      ns = std::clamp<std::int64_t>(deadline.at_ns() - now_ns(), 0, kIdleNs);
    }
    const timespec slice{0, static_cast<long>(ns)};
    const int ready = ::ppoll(entries.data(), entries.size(), &slice, nullptr);
    if (ready > 0) return ready;
    if (ready < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "cannot poll");
    }
    if (ready < 0) continue;
    if (deadline.passed()) return 0;
    if (const auto work = idle_work.load()) work();
  }
}

}  // namespace multiprocessing::os
