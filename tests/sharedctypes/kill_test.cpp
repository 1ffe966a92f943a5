// SPDX-License-Identifier: BSL-1.0
// Processes killed at any instruction of what they do with a Value or an Array.
#include <gtest/gtest.h>

#include <multiprocessing/errors.hpp>
#include <multiprocessing/sharedctypes.hpp>
#include <span>

#include "long_form.hpp"
#include "memory/arena.hpp"
#include "random_killer.hpp"
#include "step_killer.hpp"
#include "watchdog.hpp"

namespace mp = multiprocessing;
using multiprocessing::test::kill_at_every_step;

namespace {

class SharedDataUnderKills : public testing::Test {
 protected:
  void SetUp() override { expect_blocks(); }
  void expect_blocks() {
    mp::memory::note_death();
    const std::size_t now = mp::memory::usage().blocks;
    if (blocks_ == 0) blocks_ = now;
    EXPECT_EQ(now, blocks_);
  }
  mp::test::Watchdog watchdog_{std::chrono::minutes(10)};
  mp::Lock lock_;
  std::size_t blocks_ = 0;
};

TEST_F(SharedDataUnderKills, MakingAndDroppingOneLeavesNothingAndKeepsTheLockOfOthers) {
  kill_at_every_step({.approach = [] { mp::memory::self(); },
                      .act = [&] { mp::Value<int>(mp::with_lock(lock_), 7); },
                      .check =
                          [&] {
                            expect_blocks();
                            EXPECT_TRUE(lock_.acquire(false));
                            lock_.release();
                          }});
}

TEST_F(SharedDataUnderKills, WhoHoldsItsLastHandleLeavesNothing) {
  mp::Value<int> value(mp::with_lock(lock_), 7);
  const std::size_t before = mp::memory::usage().blocks;
  kill_at_every_step({.act = [&] { value = mp::Value<int>(8); },
                      .check =
                          [&] {
                            mp::memory::note_death();
                            EXPECT_EQ(mp::memory::usage().blocks, before);
                            EXPECT_EQ(value.value(), 7);
                          }});
}

TEST_F(SharedDataUnderKills, AnUpdateHappensOrNotAndTheNextOneIsToldOfADeathInIt) {
  mp::Value<int> value(0);
  const auto report =
      kill_at_every_step({.arrange = [&] { value.value() = 0; },
                          .approach = [] { mp::memory::self(); },
                          .act = [&] { value.update([](int& v) { ++v; }); },
                          .check =
                              [&] {
                                value.get_lock().make_consistent();
                                EXPECT_TRUE(value.acquire(false));
                                EXPECT_TRUE(value.value() == 0 || value.value() == 1);
                                value.release();
                              }});
  EXPECT_GT(report.kills, 10);
}

TEST_F(SharedDataUnderKills, TornDataIsSeenOnlyAfterAnOwnerDiedError) {
  mp::Array<long> array(8);
  mp::test::kill_at_random({.kills = mp::test::rounds(100, 2000),
                            .processes = 2,
                            .within = std::chrono::microseconds(1000),
                            .work =
                                [&](int) {
                                  try {
                                    array.update([](std::span<long> all) {
                                      for (long& x : all) ++x;
                                    });
                                  } catch (const mp::OwnerDiedError&) {
                                    array.get_lock().make_consistent([&] { array.fill(0); });
                                  }
                                },
                            .check =
                                [&] {
                                  try {
                                    array.update([](std::span<long> all) {
                                      for (const long x : all) EXPECT_EQ(x, all[0]);
                                    });
                                  } catch (const mp::OwnerDiedError&) {
                                    SUCCEED();
                                  }
                                }});
}

}  // namespace
