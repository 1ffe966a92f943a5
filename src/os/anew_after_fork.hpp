// SPDX-License-Identifier: BSL-1.0
// What a forked child must not take over from its parent.
#pragma once
#include <cstdint>

#include "os/fork_mutex.hpp"

namespace multiprocessing::os {

/// A T that a forked child has a new one of: another thread may have been half-way through a change
/// of the parent's, and what that refers to belongs to the parent's threads. It is never destroyed.
template <class T> class AnewAfterFork {
 public:
  /// REQUIRES: a ForkMutex is held. THROWS: std::bad_alloc.
  [[nodiscard]] T& get() {
    if (value_ == nullptr || generation_ != fork_generation()) {
      value_ = new T;
      generation_ = fork_generation();
    }
    return *value_;
  }

 private:
  T* value_ = nullptr;
  std::uint32_t generation_ = 0;
};

}  // namespace multiprocessing::os
