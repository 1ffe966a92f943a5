// SPDX-License-Identifier: BSL-1.0
// What the tests of the queues share.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/queues.hpp>

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

/// The same queue with another type of messages.
template <class Other, class Same> [[nodiscard]] Other same_as(const Same& queue) {
  return detail::HandleAccess::make<Other>(detail::HandleAccess::get(queue));
}

/// Each test ends in time and leaves no block in the arena, whoever was killed in it.
class QueueTest : public testing::Test {
 protected:
  void TearDown() override {
    // A child that was killed at its very begin keeps its parent's references alive for ten
    // seconds.
    EXPECT_TRUE(eventually(
        [this] {
          memory::sweep();
          return memory::usage().blocks == blocks_before_;
        },
        15s))
        << memory::usage().blocks << " blocks at the end, " << blocks_before_ << " before";
  }

 private:
  Watchdog watchdog_{long_form() ? 1200s : 100s};
  std::size_t blocks_before_ = (memory::sweep(), memory::usage().blocks);
};

}  // namespace multiprocessing::test
