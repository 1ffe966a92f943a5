// SPDX-License-Identifier: BSL-1.0
#include "os/aside.hpp"

#include <gtest/gtest.h>

#include <cstdint>

namespace multiprocessing::os {
namespace {

// In how many of so many waits it looked aside, where each finds that many.
int waits_aside(Aside& aside, int waits, std::uint32_t finds) {
  int count = 0;
  for (int i = 0; i < waits; ++i) {
    const Aside::Wait wait = aside.begin();
    aside.end(wait, finds);
    count += wait.rounds() != 0 ? 1 : 0;
  }
  return count;
}

TEST(AsideTest, WhereOneComesAtATimeOnlyATrialNowAndThenIsLate) {
  Aside aside(32, 32);
  EXPECT_EQ(waits_aside(aside, 320, 1), 10);
  aside.each_takes(50);
  EXPECT_EQ(waits_aside(aside, 320, 1), 10);
}

TEST(AsideTest, InAStreamItGrowsByOneUpToTheMost) {
  Aside aside(8, 8);
  EXPECT_EQ(waits_aside(aside, 31, 3), 0);
  EXPECT_EQ(aside.begin().rounds(), 2U);
  aside.end({2, 1}, 3);
  EXPECT_EQ(aside.begin().rounds(), 3U);
  EXPECT_EQ(waits_aside(aside, 100, 3), 100);
  EXPECT_EQ(aside.begin().rounds(), 8U);
}

TEST(AsideTest, ItEndsWithTheFirstWaitThatFindsNoStream) {
  Aside aside(32, 32);
  EXPECT_EQ(waits_aside(aside, 100, 3), 69);
  EXPECT_EQ(waits_aside(aside, 10, 2), 1);
}

TEST(AsideTest, OfLongMessagesTwoAreAStreamAndItLastsForWholeMessages) {
  Aside aside(32, 32);
  aside.each_takes(64);
  EXPECT_EQ(waits_aside(aside, 100, 2), 69);
  EXPECT_EQ(aside.begin().rounds(), 128U);
  aside.each_takes(20);
  EXPECT_EQ(waits_aside(aside, 100, 2), 100);
  EXPECT_EQ(aside.begin().rounds(), 160U);
}

TEST(AsideTest, ItIsNeverLongerThanASleepWouldBe) {
  Aside aside(32, 32);
  aside.each_takes(100);
  EXPECT_EQ(waits_aside(aside, 1000, 2), 0);
  aside.each_takes(UINT32_MAX);
  EXPECT_EQ(waits_aside(aside, 1000, 2), 0);
}

TEST(AsideTest, WhatAStreamOfShorterOnesTaughtDoesNotHoldForLongerOnes) {
  Aside aside(32, 32);
  aside.each_takes(20);
  EXPECT_EQ(waits_aside(aside, 100, 2), 69);
  aside.each_takes(100);
  EXPECT_EQ(waits_aside(aside, 1000, 2), 0);
}

TEST(AsideTest, OfAShortQueueNoMoreThanItMayIsLeftToGather) {
  Aside aside(8, 2);
  aside.each_takes(20);
  EXPECT_EQ(waits_aside(aside, 100, 4), 69);
  EXPECT_EQ(aside.begin().messages, 2U);
}

TEST(AsideTest, WhoMayNotLookAsideNeverDoes) {
  Aside aside(0, 0);
  EXPECT_EQ(waits_aside(aside, 1000, 3), 0);
}

}  // namespace
}  // namespace multiprocessing::os
