// SPDX-License-Identifier: BSL-1.0
// Brings a session's thread to the CPU of its client.
//
// Where all CPUs are busy and client and thread take turns, one that wakes the other on its own CPU
// just gives way to it; across CPUs a wake interrupts somebody else, and costs half as much again.
// A kernel leaves threads where they are while all CPUs have enough to do.
#pragma once
#include <cstdint>

namespace multiprocessing::managers {

/// Of one thread.
class Follower {
 public:
  /// The client was seen on that CPU. Moves there if it was elsewhere often in a row; what CPUs the
  /// thread may run on stays as it was.
  void follow(int cpu) noexcept;

 private:
  std::uint32_t apart_ = 0;  // times in a row
};

}  // namespace multiprocessing::managers
