// SPDX-License-Identifier: BSL-1.0
// Holds one of a lane's locks. A dead holder leaves nothing to repair in the lane, but perhaps
// elsewhere: that is looked for once the lock is released.
#pragma once
#include "memory/arena.hpp"
#include "sync/lock_word.hpp"

namespace multiprocessing::connection {

class LaneLock {
 public:
  explicit LaneLock(sync::RawLock& lock) : lock_(lock), acquired_(lock.acquire()) {}
  LaneLock(const LaneLock&) = delete;
  LaneLock& operator=(const LaneLock&) = delete;
  ~LaneLock() {
    lock_.release();
    if (acquired_ == sync::Acquired::kAfterDeath) memory::note_death();
  }

 private:
  sync::RawLock& lock_;
  const sync::Acquired acquired_;
};

}  // namespace multiprocessing::connection
