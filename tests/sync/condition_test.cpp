// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "condition_test.hpp"
#include "signal_storm.hpp"

namespace {

using namespace multiprocessing::test;

TEST_F(ConditionTest, NotifyWakesExactlyOneWaiter) {
  auto waiters = start_waiters(3);

  notify(1);
  expect_woken(1);
  notify(1);
  expect_woken(2);
  notify(1);
  expect_woken(3);
}

TEST_F(ConditionTest, NotifyOfSeveralWakesThatManyAndIgnoresTheSurplus) {
  auto waiters = start_waiters(6);

  notify(2);
  expect_woken(2);
  notify(0);
  expect_woken(2);
  notify(10);
  expect_woken(6);
}

TEST_F(ConditionTest, NotifyAllWakesAll) {
  auto waiters = start_waiters(6);

  notify_all();

  expect_woken(6);
}

TEST_F(ConditionTest, NotifyWithoutWaitersIsForgotten) {
  notify(3);
  notify_all();

  const std::scoped_lock guard(condition_);
  EXPECT_FALSE(condition_.wait(20ms));
}

TEST_F(ConditionTest, WakesThoseFirstWhoHaveWaitedLongest) {
  Child first = start_waiter();
  Child second = start_waiter();

  notify(1);

  EXPECT_EQ(first.wait(), 0);
  EXPECT_FALSE(second.ended());
}

TEST_F(ConditionTest, WaitSaysFalseWhenTheTimeIsOver) {
  const std::scoped_lock guard(condition_);
  const auto start = Clock::now();

  EXPECT_FALSE(condition_.wait(50ms));
  EXPECT_GE(since(start), 50ms);
  EXPECT_FALSE(condition_.wait(0s));
  EXPECT_FALSE(condition_.wait(-1s));
}

TEST_F(ConditionTest, WaitersWhoseTimeWasOverDoNotCount) {
  {
    const std::scoped_lock guard(condition_);
    for (int i = 0; i < 3; ++i) EXPECT_FALSE(condition_.wait(1ms));
  }
  Child waiter = start_waiter();

  notify(1);

  EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(ConditionTest, SignalsDoNotDisturbAWait) {
  Child waiter([&] {
    const std::scoped_lock guard(condition_);
    const SignalStorm storm;
    const auto start = Clock::now();
    if (condition_.wait(100ms) || since(start) < 100ms) return 1;
    ++counts_.waiting;
    return condition_.wait() ? 0 : 2;
  });
  ASSERT_TRUE(eventually([&] { return counts_.waiting == 1; }));

  notify(1);

  EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(ConditionTest, WithoutTheLockEverythingIsAnAssertionError) {
  EXPECT_THROW(condition_.wait(), mp::AssertionError);
  EXPECT_THROW(condition_.wait(1s), mp::AssertionError);
  EXPECT_THROW(condition_.notify(), mp::AssertionError);
  EXPECT_THROW(condition_.notify_all(), mp::AssertionError);
  EXPECT_THROW(condition_.release(), mp::AssertionError);
  const std::scoped_lock guard(condition_);
  EXPECT_THROW(condition_.notify(-1), mp::ValueError);
  EXPECT_EQ(in_child([&] {
              try {
                condition_.notify();
              } catch (const mp::AssertionError&) {
                return 0;
              }
              return 1;
            }),
            0);
}

TEST_F(ConditionTest, TheLockOfAPlainLocksConditionIsCheckedToo) {
  mp::Condition condition{mp::Lock()};

  EXPECT_THROW(condition.wait(), mp::AssertionError);
  EXPECT_THROW(condition.notify(), mp::AssertionError);
  EXPECT_THROW(condition.release(), mp::ValueError);
  condition.acquire();
  EXPECT_FALSE(condition.acquire(false));
  EXPECT_FALSE(condition.wait(1ms));
  condition.notify();
  condition.release();
}

TEST_F(ConditionTest, IsItsLock) {
  mp::RLock lock;
  mp::Condition condition(lock);
  mp::Condition second(lock);
  {
    const std::unique_lock guard(condition, 1s);
    EXPECT_TRUE(guard.owns_lock());
    EXPECT_TRUE(lock.locked());
    EXPECT_TRUE(second.locked());
    EXPECT_TRUE(condition.acquire(true, 1s));
    condition.release();
    second.notify();
  }
  EXPECT_FALSE(condition.locked());
}

TEST_F(ConditionTest, KeepsItsLockAlive) {
  std::optional<mp::Lock> lock(std::in_place);
  mp::Condition condition(*lock);
  lock.reset();

  EXPECT_EQ(in_child([&] {
              const std::scoped_lock guard(condition);
              return !condition.wait(1ms);
            }),
            0);
  const std::scoped_lock guard(condition);
  EXPECT_FALSE(condition.wait(1ms));
}

TEST_F(ConditionTest, WaitGivesUpEveryLevelOfAnRLockAndTakesThemBack) {
  Child waiter([&] {
    condition_.acquire();
    condition_.acquire();
    condition_.acquire();
    ++counts_.waiting;
    const bool notified = condition_.wait();
    for (int i = 0; i < 3; ++i) condition_.release();
    return notified && !condition_.locked();
  });
  ASSERT_TRUE(eventually([&] { return counts_.waiting == 1; }));
  EXPECT_TRUE(eventually([&] { return !condition_.locked(); }));

  notify(1);

  EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(ConditionTest, WaitForAsksThePredicateUnderTheLockUntilItHolds) {
  Child waiter([&] {
    const std::scoped_lock guard(condition_);
    ++counts_.waiting;
    return condition_.wait_for([&] { return counts_.value == 4 && condition_.locked(); });
  });
  ASSERT_TRUE(eventually([&] { return counts_.waiting == 1; }));

  for (int i = 0; i < 4; ++i) {
    const std::scoped_lock guard(condition_);
    ++counts_.value;
    condition_.notify();
  }

  EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(ConditionTest, WaitForSaysWhatThePredicateSaidLast) {
  const std::scoped_lock guard(condition_);
  int asked = 0;
  const auto start = Clock::now();

  EXPECT_TRUE(condition_.wait_for([&] { return ++asked; }));
  EXPECT_EQ(asked, 1);
  EXPECT_FALSE(condition_.wait_for([] { return false; }, 30ms));
  EXPECT_GE(since(start), 30ms);
  EXPECT_FALSE(condition_.wait_for([] { return false; }, 0s));
}

TEST_F(ConditionTest, ThreadsOfOneProcessWaitAndNotify) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([this] { wait_once(); });
  ASSERT_TRUE(eventually([&] { return counts_.waiting == 4; }));

  notify(3);
  expect_woken(3);
  notify(1);

  for (auto& thread : threads) thread.join();
}

TEST_F(ConditionTest, HundredsMayWaitAtATime) {
  constexpr int kProcesses = 4;
  constexpr int kThreads = 80;
  std::vector<Child> processes;
  for (int p = 0; p < kProcesses; ++p) {
    processes.emplace_back([this] {
      std::vector<std::thread> threads;
      for (int t = 0; t < kThreads; ++t) threads.emplace_back([this] { wait_once(); });
      for (auto& thread : threads) thread.join();
    });
  }
  ASSERT_TRUE(eventually([&] { return counts_.waiting == kProcesses * kThreads; }, 20s));

  notify(100);
  expect_woken(100);
  notify_all();

  for (auto& process : processes) EXPECT_EQ(process.wait(), 0);
  EXPECT_EQ(counts_.woken, kProcesses * kThreads);
}

TEST_F(ConditionTest, NotifyAllWaitsForNobody) {
  auto waiters = start_waiters(20);
  {
    // Stopped while it is held here: the last one may not have let it go yet.
    const std::scoped_lock guard(condition_);
    for (auto& waiter : waiters) waiter.signal(SIGSTOP);
  }
  waiters[3].kill();
  const auto start = Clock::now();

  notify_all();

  EXPECT_LT(since(start), 1s);
}

}  // namespace
