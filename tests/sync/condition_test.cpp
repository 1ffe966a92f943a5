// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <csignal>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "memory/arena.hpp"
#include "signal_storm.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;
namespace memory = multiprocessing::memory;

class ConditionTest : public SyncTest {
 protected:
  struct Counts {
    std::atomic<int> waiting;
    std::atomic<int> woken;
    std::atomic<int> value;
  };
  mp::Condition condition_;
  Counts& counts_ = *::new (memory::allocate(sizeof(Counts))) Counts{};
  ~ConditionTest() override { memory::deallocate(&counts_); }

  void wait_once() {
    const std::scoped_lock guard(condition_);
    ++counts_.waiting;
    if (condition_.wait()) ++counts_.woken;
  }
  Child start_waiter() {
    const int before = counts_.waiting;
    Child waiter([this] { wait_once(); });
    // Counted under the lock: who gets the lock after that finds it waiting.
    EXPECT_TRUE(eventually([&] { return counts_.waiting == before + 1; }));
    return waiter;
  }
  std::vector<Child> start_waiters(int count) {
    std::vector<Child> waiters;
    for (int i = 0; i < count; ++i) waiters.push_back(start_waiter());
    return waiters;
  }
  void notify(int n) {
    const std::scoped_lock guard(condition_);
    condition_.notify(n);
  }
  void notify_all() {
    const std::scoped_lock guard(condition_);
    condition_.notify_all();
  }
  // As many are woken, and it stays so.
  void expect_woken(int count) {
    EXPECT_TRUE(eventually([&] { return counts_.woken >= count; }));
    std::this_thread::sleep_for(120ms);
    EXPECT_EQ(counts_.woken, count);
  }
};

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

TEST_F(ConditionTest, ADeadWaiterIsNotCounted) {
  auto waiters = start_waiters(4);
  waiters[0].kill();
  waiters[2].kill();

  notify(1);
  expect_woken(1);
  EXPECT_TRUE(waiters[1].ended());
  notify(1);
  EXPECT_EQ(waiters[3].wait(), 0);
}

TEST_F(ConditionTest, TheNotificationOfAWaiterThatDiesBeforeItReturnsIsPassedOn) {
  auto waiters = start_waiters(2);
  {
    const std::scoped_lock guard(condition_);
    condition_.notify(1);
    // It cannot have returned: the lock is held here.
    waiters[0].kill();
  }

  EXPECT_EQ(waiters[1].wait(), 0);
  expect_woken(1);
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

TEST_F(ConditionTest, AWaiterIsToldThatTheHolderOfTheLockDied) {
  Child waiter([&] {
    const std::scoped_lock guard(condition_);
    ++counts_.waiting;
    std::unique_lock inner(condition_);
    try {
      condition_.wait();
    } catch (const mp::OwnerDiedError&) {
      ::_exit(7);
    }
  });
  ASSERT_TRUE(eventually([&] { return counts_.waiting == 1; }));
  in_child([&] {
    condition_.acquire();
    condition_.notify();
    ::raise(SIGKILL);
  });

  EXPECT_EQ(waiter.wait(), 7);
  EXPECT_THROW(condition_.acquire(), mp::OwnerDiedError);
  condition_.make_consistent();
  notify(1);
}

// Who holds it while it is waited for dies.
template <class C> void wait_and_lose(C& condition) {
  const Child holder([&] {
    condition.acquire();
    condition.notify();
    ::raise(SIGKILL);
  });
  condition.wait();
}

TEST_F(ConditionTest, TheErrorOfALostLockLeavesTheScopesOfItsGuards) {
  const auto lose = [&] {
    const std::scoped_lock outer(condition_);
    const std::scoped_lock inner(condition_);
    wait_and_lose(condition_);
  };

  EXPECT_THROW(lose(), mp::OwnerDiedError);

  condition_.make_consistent();
  EXPECT_FALSE(condition_.locked());
  EXPECT_TRUE(condition_.acquire(0s));
  condition_.release();
  EXPECT_FALSE(condition_.locked());
  EXPECT_THROW(condition_.release(), mp::AssertionError);
}

TEST_F(ConditionTest, ALostLockIsRepairedAndTakenAgainInTheScopeOfItsGuard) {
  {
    const std::scoped_lock guard(condition_);
    EXPECT_THROW(wait_and_lose(condition_), mp::OwnerDiedError);
    condition_.make_consistent();
    {
      const std::scoped_lock again(condition_);
      EXPECT_TRUE(condition_.locked());
    }
    EXPECT_FALSE(condition_.locked());
  }
  EXPECT_EQ(in_child([&] { return condition_.acquire(0s); }), 0);
}

TEST_F(ConditionTest, TheGuardOfALostLockDoesNotReleaseAnothersHold) {
  mp::Lock lock;
  mp::Condition condition(lock);
  std::optional<Child> other;
  {
    const std::scoped_lock guard(lock);
    EXPECT_THROW(wait_and_lose(condition), mp::OwnerDiedError);
    condition.make_consistent();
    other.emplace([&] {
      lock.acquire();
      ++counts_.waiting;
      ::pause();
    });
    ASSERT_TRUE(eventually([&] { return counts_.waiting == 1; }));
  }
  EXPECT_TRUE(lock.locked());
}

}  // namespace
