// SPDX-License-Identifier: BSL-1.0
#include "queues/pace.hpp"

#include <sched.h>

#include <algorithm>

#include "os/clock.hpp"

namespace multiprocessing::queues {
namespace {

constexpr std::size_t kMuchBytes = std::size_t{4} << 20;
constexpr std::size_t kBytesPerNs = 8;  // a slow copy
constexpr std::int64_t kLongestNs = 200'000;

}  // namespace

void Pace::keep(const QueueObject& queue, std::size_t bytes) noexcept {
  if (size_of(queue) < std::max<std::size_t>(kMuchBytes / std::max<std::size_t>(bytes, 1), 1))
    return;
  const std::uint32_t taken = queue.consumers.place.load().count;
  if (waited_in_vain_at_.load(std::memory_order_relaxed) == taken) return;
  const std::int64_t until =
      os::now_ns() + std::min(static_cast<std::int64_t>(bytes / kBytesPerNs), kLongestNs);
  do {
    ::sched_yield();
    if (queue.consumers.place.load().count != taken) return;
  } while (os::now_ns() < until);
  waited_in_vain_at_.store(taken, std::memory_order_relaxed);
}

}  // namespace multiprocessing::queues
