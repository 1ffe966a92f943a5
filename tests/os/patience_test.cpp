// SPDX-License-Identifier: BSL-1.0
#include "os/patience.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace multiprocessing::os {
namespace {

// How many of so many waits began by looking, where `finds` is what a look finds.
int waits_that_look(Patience& patience, int waits, std::uint32_t finds) {
  int looked = 0;
  for (int i = 0; i < waits; ++i) {
    bool asked = false;
    const bool found = patience.look([&]() noexcept {
      asked = true;
      return finds;
    });
    EXPECT_EQ(found, asked && finds != 0);
    looked += asked ? 1 : 0;
  }
  return looked;
}

TEST(PatienceTest, WhoFindsSomethingLooksEachTime) {
  Patience patience;
  EXPECT_EQ(waits_that_look(patience, 1000, 1), 1000);
}

TEST(PatienceTest, WhoFindsNothingSleepsAtOnceNearlyAlways) {
  Patience patience;
  EXPECT_LT(waits_that_look(patience, 31, 0), 10);
  // Once in 32 waits, and some more times in 2,048.
  EXPECT_LT(waits_that_look(patience, 4096, 0), 160);
}

TEST(PatienceTest, WhoFoundNothingLooksNowAndThenAndAgainEachTimeOnceItPays) {
  Patience patience;
  static_cast<void>(waits_that_look(patience, 31, 0));
  EXPECT_GE(waits_that_look(patience, 4096, 0), 100);
  // One of 32 waits looks, and then each one.
  EXPECT_GE(waits_that_look(patience, 100, 1), 69);
}

}  // namespace
}  // namespace multiprocessing::os
