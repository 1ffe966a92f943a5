// SPDX-License-Identifier: BSL-1.0
// The fixture of tests of shared objects, and how they speak of time.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <multiprocessing/errors.hpp>

#include "child.hpp"
#include "long_form.hpp"
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
class ArenaTest : public testing::Test {
 protected:
  ArenaTest() = default;
  // Not in TearDown: the members of a fixture may be shared objects.
  ~ArenaTest() override {
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
  Watchdog watchdog_{long_form() ? 1200s : 120s};
  std::size_t blocks_before_ = (memory::sweep(), memory::usage().blocks);
};

}  // namespace multiprocessing::test
