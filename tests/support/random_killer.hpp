// SPDX-License-Identifier: BSL-1.0
// Kills processes at random moments while they and others work.
#pragma once
#include <chrono>
#include <functional>

namespace multiprocessing::test {

struct RandomKills {
  int kills = 100;
  int processes = 1;  ///< alive at a time
  /// A kill comes after a random time up to this, counted from the one before; not before its
  /// victim has begun to work.
  std::chrono::microseconds within{2000};
  /// In each process, again and again until it is killed; gets the process's number, 0 to
  /// processes - 1.
  std::function<void(int)> work;
  /// In the test, after a victim is dead and before its successor is started.
  std::function<void()> check = [] {};
};

/// Returns when all is done and all processes are dead, or at the first failed check. The seed is
/// random, or MULTIPROCESSING_TEST_SEED; it is printed with a failure. A process that ends by
/// itself is a failure.
void kill_at_random(const RandomKills& options);

}  // namespace multiprocessing::test
