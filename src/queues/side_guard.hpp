// SPDX-License-Identifier: BSL-1.0
// Holds the lock of one side of a queue, after finishing what a dead holder had begun.
//
// Nothing sleeps and no code of the user's runs under it, so it is held for less than a
// microsecond, unless its holder is stopped or not given a processor.
#pragma once
#include "memory/arena.hpp"
#include "os/clock.hpp"
#include "queues/layout.hpp"

namespace multiprocessing::queues {

class SideGuard {
 public:
  using Settle = void (*)(QueueObject&) noexcept;

  /// Gives up at the deadline, but not at once: a queue at which somebody is busy is neither full
  /// nor empty.
  SideGuard(QueueObject& queue, Side& side, Settle settle, const os::Deadline& deadline)
      : side_(side), held_(sync::take_if_free(side.lock.word, memory::self())) {
    if (!held_) acquire_slowly(queue, settle, deadline);
  }
  ~SideGuard() { release(); }
  SideGuard(const SideGuard&) = delete;
  SideGuard& operator=(const SideGuard&) = delete;

  [[nodiscard]] bool held() const noexcept { return held_; }
  void release() noexcept {
    if (!held_) return;
    held_ = false;
    side_.lock.release();
    if (died_) memory::note_death();
  }

 private:
  // Asks the clock, as there is something to wait for.
  void acquire_slowly(QueueObject& queue, Settle settle, const os::Deadline& deadline);

  Side& side_;
  bool held_;
  bool died_ = false;  // a process did, so it may have left other things
};

/// What the next holder of the lock does for a dead one. REQUIRES: the lock, or a queue that nobody
/// uses.
void settle_producers(QueueObject& queue) noexcept;
void settle_consumers(QueueObject& queue) noexcept;

}  // namespace multiprocessing::queues
