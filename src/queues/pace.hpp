// SPDX-License-Identifier: BSL-1.0
// Keeps a producer of large messages at the pace of the consumers while they keep up with it.
//
// A queue that holds as much as it is allowed to is a queue whose every message falls out of the
// processor's caches between put and get, which halves the speed of both sides or worse. So before
// a put that finds many megabytes queued, the producer waits for the next get: for no longer than
// the put itself takes, and only once where no get comes.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "queues/layout.hpp"

namespace multiprocessing::queues {

class Pace {
 public:
  /// Before a message of `bytes` is made.
  void keep(const QueueObject& queue, std::size_t bytes) noexcept;

 private:
  std::atomic<std::uint64_t> waited_in_vain_at_{UINT64_MAX};  // a count of messages taken
};

}  // namespace multiprocessing::queues
