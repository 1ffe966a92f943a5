// SPDX-License-Identifier: BSL-1.0
// What the tests of the queues share.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/queues.hpp>

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

/// The same queue with another type of messages.
template <class Other, class Same> [[nodiscard]] Other same_as(const Same& queue) {
  return detail::HandleAccess::make<Other>(detail::HandleAccess::get(queue));
}

/// Each test ends in time and leaves no block in the arena, whoever was killed in it.
class QueueTest : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_TRUE(eventually([this] {
      memory::sweep();
      return memory::usage().blocks == blocks_before_;
    })) << memory::usage().blocks
        << " blocks at the end, " << blocks_before_ << " before";
  }

 private:
  Watchdog watchdog_{120s};
  std::size_t blocks_before_ = (memory::sweep(), memory::usage().blocks);
};

}  // namespace multiprocessing::test
