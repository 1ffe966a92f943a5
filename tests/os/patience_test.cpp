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

TEST(PatienceTest, WhoFoundSomethingLooksEachTime) {
  if (!spinning_helps()) {
    Patience patience;
    EXPECT_EQ(waits_that_look(patience, 100, 1), 0);
    return;
  }
  Patience patience;
  EXPECT_EQ(waits_that_look(patience, 1000, 1), 1000);
}

TEST(PatienceTest, WhoFindsNothingSleepsAtOnceNearlyAlways) {
  Patience patience;
  const int at_first = waits_that_look(patience, 31, 0);
  EXPECT_LT(at_first, 10);
  // Once in 32 waits, and some more times in 2,048.
  EXPECT_LT(waits_that_look(patience, 4096, 0), 160);
}

TEST(PatienceTest, WhoFindsNothingLooksNowAndThenAndGoesOnWhenItPays) {
  if (!spinning_helps()) return;
  Patience patience;
  static_cast<void>(waits_that_look(patience, 31, 0));
  EXPECT_GE(waits_that_look(patience, 4096, 0), 100);
  // One look that pays comes within 32 waits, and each one after it.
  EXPECT_GE(waits_that_look(patience, 100, 1), 69);
}

}  // namespace
}  // namespace multiprocessing::os
