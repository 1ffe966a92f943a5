// SPDX-License-Identifier: BSL-1.0
// A moment in which this process does not fork: no child gets a descriptor that is not yet where
// children find what they are to close, or no longer.
#pragma once

namespace multiprocessing::os {

/// While one lives, a fork of another thread waits. Who has it waits for nobody and does not fork.
class NoFork {
 public:
  NoFork() noexcept;
  ~NoFork();
  NoFork(const NoFork&) = delete;
  NoFork& operator=(const NoFork&) = delete;
};

}  // namespace multiprocessing::os
