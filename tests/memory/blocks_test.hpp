// SPDX-License-Identifier: BSL-1.0
// The fixture of tests that count the blocks of the arena after each kill.
#pragma once
#include <gtest/gtest.h>

#include <cstddef>

#include "memory/arena.hpp"

namespace multiprocessing::memory {

class BlocksTest : public testing::Test {
 protected:
  void SetUp() override {
    note_death();
    deallocate(allocate(100));
    blocks_ = usage().blocks;
  }
  /// As many as at the beginning of the test, and `more`.
  void expect_nothing_left(std::size_t more = 0) {
    note_death();
    EXPECT_EQ(usage().blocks, blocks_ + more);
  }

 private:
  std::size_t blocks_ = 0;
};

}  // namespace multiprocessing::memory
