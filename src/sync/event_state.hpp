// SPDX-License-Identifier: BSL-1.0
// What an Event is in shared memory: one word.
//
// word := count:30 sleepers:1 flag:1       the count goes up with every set()
//
// A waiter that finds another count was woken by a set(), even if a clear() came right after it.
//
// Death: a process that is killed between its set() and the wake-up costs the waiters one poll
// interval. A killed waiter leaves nothing.
#pragma once
#include <cstdint>
#include <multiprocessing/timeout.hpp>

#include "memory/object.hpp"
#include "os/futex.hpp"
#include "sync/look.hpp"

namespace multiprocessing::sync {

class EventState : public memory::ObjectHeader {
 public:
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kEvent;

  void set() noexcept;
  void clear() noexcept { word_.fetch_and(~kFlag); }
  [[nodiscard]] bool is_set() const noexcept {
    return (word_.load(std::memory_order_acquire) & kFlag) != 0;
  }
  bool wait(Timeout timeout, const Look& look = {});

 private:
  static constexpr std::uint32_t kFlag = 1;
  static constexpr std::uint32_t kSleepers = 2;
  static constexpr std::uint32_t kCount = 4;  // one of it

  os::FutexWord word_{0};
};
static_assert(sizeof(EventState) == 72);

}  // namespace multiprocessing::sync
