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
std::atomic<void (*)()> later_idle_work{nullptr};
std::atomic<std::int64_t> idle_work_due_ns{0};

}  // namespace

void set_idle_work(void (*work)()) noexcept { idle_work.store(work); }
void set_later_idle_work(void (*work)()) noexcept { later_idle_work.store(work); }

void do_idle_work() {
  const auto work = idle_work.load();
  if (work == nullptr) return;
  const std::int64_t now = now_ns();
  std::int64_t due = idle_work_due_ns.load(std::memory_order_relaxed);
  // One thread at a time does it.
  if (now < due || !idle_work_due_ns.compare_exchange_strong(due, now + kIdleNs)) return;
  work();
  if (const auto later = later_idle_work.load()) later();
}

int poll_until(std::span<pollfd> entries, const Deadline& deadline) {
  for (;;) {
    std::int64_t ns = 0;
    if (deadline.at_ns() != 0) {
      ns = std::clamp<std::int64_t>(deadline.at_ns() - now_ns(), 0, kIdleNs);
    }
    const timespec slice{0, static_cast<long>(ns)};
    const int ready = ::ppoll(entries.data(), entries.size(), &slice, nullptr);
    if (ready < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "cannot poll");
    }
    // However it ended: who never waits for long has to hear of the dead, too.
    do_idle_work();
    if (ready > 0) return ready;
    if (ready == 0 && deadline.passed()) return 0;
  }
}

}  // namespace multiprocessing::os
