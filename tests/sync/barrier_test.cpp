// SPDX-License-Identifier: BSL-1.0
#include <gmock/gmock.h>

#include <atomic>
#include <csignal>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "memory/identity.hpp"
#include "signal_storm.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;
namespace memory = multiprocessing::memory;
using testing::HasSubstr;

constexpr int kBroken = 50;
constexpr int kFailed = 51;

class BarrierTest : public SyncTest {
 protected:
  struct Counts {
    std::atomic<int> before[8];
    std::atomic<int> after;
    std::atomic<int> actions;
  };
  Counts& counts_ = *::new (memory::allocate(sizeof(Counts))) Counts{};
  ~BarrierTest() override { memory::deallocate(&counts_); }

  // A party that exits with the number of its arrival, or with kBroken.
  static Child party(mp::Barrier barrier, mp::Timeout timeout = mp::forever) {
    return Child([=]() mutable {
      try {
        return barrier.wait(timeout);
      } catch (const mp::BrokenBarrierError&) {
        return kBroken;
      }
    });
  }
  static std::vector<Child> parties(const mp::Barrier& barrier, int count) {
    std::vector<Child> result;
    for (int i = 0; i < count; ++i) {
      result.push_back(party(barrier));
      EXPECT_TRUE(eventually([&] { return barrier.n_waiting() == i + 1; }));
    }
    return result;
  }
  static std::string error_of(mp::Barrier barrier) {
    try {
      barrier.wait(1s);
    } catch (const mp::BrokenBarrierError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(BarrierTest, LetsAllPartiesGoWhenTheLastHasCome) {
  mp::Barrier barrier(3);
  auto others = parties(barrier, 2);
  EXPECT_EQ(barrier.n_waiting(), 2);

  EXPECT_EQ(barrier.wait(), 2);

  EXPECT_EQ(others[0].wait(), 0);
  EXPECT_EQ(others[1].wait(), 1);
  EXPECT_EQ(barrier.n_waiting(), 0);
  EXPECT_EQ(barrier.parties(), 3);
  EXPECT_FALSE(barrier.broken());
}

TEST_F(BarrierTest, KeepsPartiesInStepOverManyRounds) {
  constexpr int kParties = 5;
  constexpr int kRounds = 1000;
  mp::Barrier barrier(kParties);
  std::vector<Child> children;
  for (int i = 0; i < kParties; ++i) {
    children.emplace_back([&, i] {
      for (int round = 1; round <= kRounds; ++round) {
        counts_.before[i] = round;
        barrier.wait();
        for (int other = 0; other < kParties; ++other) {
          const int there = counts_.before[other];
          if (there != round && there != round + 1) return kFailed;
        }
      }
      return 0;
    });
  }

  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
}

TEST_F(BarrierTest, GivesEachPartyOfARoundAnotherNumber) {
  mp::Barrier barrier(4);
  for (int round = 0; round < 5; ++round) {
    std::vector<Child> children;
    for (int i = 0; i < 4; ++i) children.push_back(party(barrier));
    std::set<int> numbers;
    for (auto& child : children) numbers.insert(child.wait());
    EXPECT_EQ(numbers, (std::set<int>{0, 1, 2, 3}));
  }
}

TEST_F(BarrierTest, OfOnePartyNeverBlocks) {
  mp::Barrier barrier(1);

  EXPECT_EQ(barrier.wait(), 0);
  EXPECT_EQ(barrier.wait(0s), 0);
}

TEST_F(BarrierTest, NeedsAtLeastOneParty) {
  EXPECT_THROW(mp::Barrier(0), mp::ValueError);
  EXPECT_THROW(mp::Barrier(-3), mp::ValueError);
}

TEST_F(BarrierTest, MorePartiesThanFitIntoARoundTakeTurns) {
  mp::Barrier barrier(2);
  const auto pass_until_it_breaks = [&] {
    try {
      for (;; ++counts_.after) barrier.wait();
    } catch (const mp::BrokenBarrierError&) {
    }
  };
  std::vector<Child> children;
  for (int i = 0; i < 6; ++i) {
    children.emplace_back([&] {
      std::thread second(pass_until_it_breaks);
      pass_until_it_breaks();
      second.join();
    });
  }

  EXPECT_TRUE(eventually([&] { return counts_.after > 2000; }));
  barrier.abort();

  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
}

TEST_F(BarrierTest, TheActionRunsOnceARoundBeforeAnybodyGoesOn) {
  mp::Barrier barrier(3, [this] { ++counts_.actions; });
  std::vector<Child> children;
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&] {
      for (int round = 1; round <= 50; ++round) {
        barrier.wait();
        const int actions = counts_.actions;
        if (actions != round && actions != round + 1) return kFailed;
      }
      return 0;
    });
  }

  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(counts_.actions, 50);
}

TEST_F(BarrierTest, TheActionMayBeAnyCallable) {
  auto pointer = std::make_unique<int>(0);
  const int* value = pointer.get();
  mp::Barrier barrier(
      1, [owned = std::move(pointer)]() mutable { ++*owned; }, 1s);

  barrier.wait();
  mp::Barrier copy = barrier;
  copy.wait();

  EXPECT_EQ(*value, 2);
}

TEST_F(BarrierTest, TheActionMayAskTheBarrier) {
  std::unique_ptr<mp::Barrier> barrier;
  barrier = std::make_unique<mp::Barrier>(1, [&] { EXPECT_FALSE(barrier->broken()); });

  EXPECT_EQ(barrier->wait(), 0);
}

TEST_F(BarrierTest, AnExceptionOfTheActionLeavesItsPartyAndBreaksTheBarrier) {
  mp::Barrier barrier(2, [] { throw std::logic_error("no"); });
  auto others = parties(barrier, 1);

  EXPECT_THROW(barrier.wait(), std::logic_error);

  EXPECT_EQ(others[0].wait(), kBroken);
  EXPECT_TRUE(barrier.broken());
}

TEST_F(BarrierTest, ALongActionIsNotATimeout) {
  mp::Barrier barrier(2, [] { std::this_thread::sleep_for(150ms); });
  Child other = party(barrier, 50ms);
  ASSERT_TRUE(eventually([&] { return barrier.n_waiting() == 1; }));

  EXPECT_EQ(barrier.wait(), 1);

  EXPECT_EQ(other.wait(), 0);
}

TEST_F(BarrierTest, ATimeoutBreaksItForAll) {
  mp::Barrier barrier(3);
  auto others = parties(barrier, 1);
  const auto start = Clock::now();

  EXPECT_THROW(barrier.wait(50ms), mp::BrokenBarrierError);

  EXPECT_GE(since(start), 50ms);
  EXPECT_EQ(others[0].wait(), kBroken);
  EXPECT_TRUE(barrier.broken());
  EXPECT_THAT(error_of(barrier), HasSubstr("time"));
}

TEST_F(BarrierTest, TheConstructorsTimeoutIsTheDefault) {
  mp::Barrier barrier(2, nullptr, 30ms);
  mp::Barrier same_spelt_shorter(2, 30ms);

  EXPECT_THROW(barrier.wait(), mp::BrokenBarrierError);
  EXPECT_THROW(same_spelt_shorter.wait(), mp::BrokenBarrierError);
}

TEST_F(BarrierTest, SignalsDoNotDisturbAWait) {
  mp::Barrier barrier(2);
  Child other([&] {
    const SignalStorm storm;
    return barrier.wait();
  });
  std::this_thread::sleep_for(50ms);

  EXPECT_EQ(barrier.wait(), 1);
  EXPECT_EQ(other.wait(), 0);
}

TEST_F(BarrierTest, AbortBreaksItForThoseThatWaitAndThoseThatCome) {
  mp::Barrier barrier(3);
  auto others = parties(barrier, 2);

  barrier.abort();

  for (auto& other : others) EXPECT_EQ(other.wait(), kBroken);
  EXPECT_TRUE(barrier.broken());
  EXPECT_EQ(barrier.n_waiting(), 0);
  EXPECT_THAT(error_of(barrier), HasSubstr("aborted"));
}

TEST_F(BarrierTest, ResetFreesThoseThatWaitWithTheErrorAndMakesItUsable) {
  mp::Barrier barrier(3);
  auto others = parties(barrier, 2);

  barrier.reset();

  for (auto& other : others) EXPECT_EQ(other.wait(), kBroken);
  EXPECT_FALSE(barrier.broken());
  auto again = parties(barrier, 2);
  EXPECT_EQ(barrier.wait(), 2);
}

TEST_F(BarrierTest, ResetMakesABrokenBarrierUsable) {
  mp::Barrier barrier(2);
  barrier.abort();
  EXPECT_THROW(barrier.wait(), mp::BrokenBarrierError);

  barrier.reset();

  auto others = parties(barrier, 1);
  EXPECT_EQ(barrier.wait(), 1);
}

TEST_F(BarrierTest, ResetDuringTheActionBreaksTheRound) {
  mp::Barrier barrier(2, [] { std::this_thread::sleep_for(100ms); });
  auto others = parties(barrier, 1);
  Child last = party(barrier);
  ASSERT_TRUE(eventually([&] { return barrier.n_waiting() == 0; }));

  barrier.reset();

  EXPECT_EQ(others[0].wait(), kBroken);
  EXPECT_EQ(last.wait(), kBroken);
  EXPECT_FALSE(barrier.broken());
}

TEST_F(BarrierTest, TheDeathOfAWaitingPartyBreaksItWithinAHundredMilliseconds) {
  milliseconds best = 1h;
  for (int round = 0; round < 5; ++round) {
    mp::Barrier barrier(4);
    auto others = parties(barrier, 3);
    const auto killed = Clock::now();
    others[1].kill();

    EXPECT_EQ(others[0].wait(), kBroken);
    EXPECT_EQ(others[2].wait(), kBroken);
    best = std::min(best, since(killed));
    EXPECT_TRUE(barrier.broken());
  }
  EXPECT_LT(best, 100ms);
}

TEST_F(BarrierTest, TheErrorNamesWhoDied) {
  mp::Barrier barrier(3);
  Child other([&] {
    memory::set_own_name("Process-9");
    barrier.wait();
  });
  ASSERT_TRUE(eventually([&] { return barrier.n_waiting() == 1; }));
  const std::string pid = std::to_string(other.pid());
  other.kill();

  EXPECT_THAT(error_of(barrier), testing::AllOf(HasSubstr("Process-9"), HasSubstr(pid)));
  EXPECT_THAT(error_of(barrier), HasSubstr("Process-9"));
}

TEST_F(BarrierTest, ADeathIsSeenWithoutAWaiter) {
  mp::Barrier barrier(3);
  auto others = parties(barrier, 2);
  others.clear();

  EXPECT_TRUE(barrier.broken());
  barrier.reset();
  EXPECT_FALSE(barrier.broken());
}

TEST_F(BarrierTest, APartyThatDiesInTheActionBreaksIt) {
  mp::Barrier barrier(2, [] { ::raise(SIGKILL); });
  auto others = parties(barrier, 1);
  Child last = party(barrier);

  EXPECT_EQ(last.wait(), -SIGKILL);
  EXPECT_EQ(others[0].wait(), kBroken);
}

TEST_F(BarrierTest, TheDeathOfAPartyThatHasPassedBreaksNothing) {
  mp::Barrier barrier(2);
  for (int round = 0; round < 10; ++round) {
    Child other([&] {
      barrier.wait();
      ::raise(SIGKILL);
    });
    EXPECT_LE(barrier.wait(), 1);
    other.wait();
  }
  EXPECT_FALSE(barrier.broken());
}

TEST_F(BarrierTest, TheTimeOfWhoComesDuringAnActionBeginsWithItsRound) {
  mp::Barrier barrier(1, [this] {
    if (++counts_.actions == 1) std::this_thread::sleep_for(100ms);
  });
  Child first = party(barrier);
  ASSERT_TRUE(eventually([&] { return counts_.actions == 1; }));

  EXPECT_EQ(barrier.wait(10ms), 0);

  EXPECT_EQ(first.wait(), 0);
  EXPECT_EQ(counts_.actions, 2);
}

}  // namespace
