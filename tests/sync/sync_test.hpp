// SPDX-License-Identifier: BSL-1.0
// What the tests of the primitives share.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/synchronize.hpp>

#include "child.hpp"
#include "memory/arena.hpp"
#include "watchdog.hpp"

namespace mp = multiprocessing;

namespace multiprocessing::test {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

[[nodiscard]] inline milliseconds since(Clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
}

/// Each test ends in time and leaves no block in the arena, whoever was killed in it.
class SyncTest : public testing::Test {
 protected:
  SyncTest() = default;
  // Not in TearDown: the members of a fixture may be shared objects.
  ~SyncTest() override {
    // A child that is killed within its fork holds its parent's references for ten seconds.
    EXPECT_TRUE(eventually(
        [this] {
          memory::sweep();
          return memory::usage().blocks == blocks_before_;
        },
        15s))
        << memory::usage().blocks << " blocks at the end, " << blocks_before_ << " before";
  }

 private:
  Watchdog watchdog_{120s};
  std::size_t blocks_before_ = (memory::sweep(), memory::usage().blocks);
};

}  // namespace multiprocessing::test
