// SPDX-License-Identifier: BSL-1.0
#include <climits>
#include <csignal>
#include <mutex>
#include <thread>
#include <vector>

#include "signal_storm.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;

// What both kinds promise.
template <class S> class AnySemaphoreTest : public SyncTest {};
using SemaphoreKinds = testing::Types<mp::Semaphore, mp::BoundedSemaphore>;
TYPED_TEST_SUITE(AnySemaphoreTest, SemaphoreKinds);

TYPED_TEST(AnySemaphoreTest, CountsItsPermitsDownAndUp) {
  TypeParam semaphore(2);

  EXPECT_EQ(semaphore.get_value(), 2);
  EXPECT_TRUE(semaphore.acquire());
  EXPECT_EQ(semaphore.get_value(), 1);
  EXPECT_TRUE(semaphore.acquire(false));
  EXPECT_EQ(semaphore.get_value(), 0);
  EXPECT_FALSE(semaphore.acquire(false));
  EXPECT_EQ(semaphore.get_value(), 0);
  semaphore.release();
  EXPECT_EQ(semaphore.get_value(), 1);
  semaphore.release();
  EXPECT_EQ(semaphore.get_value(), 2);
}

TYPED_TEST(AnySemaphoreTest, HasOnePermitByDefault) {
  TypeParam semaphore;

  EXPECT_EQ(semaphore.get_value(), 1);
  EXPECT_FALSE(semaphore.locked());
  semaphore.acquire();
  EXPECT_TRUE(semaphore.locked());
}

TYPED_TEST(AnySemaphoreTest, ANegativeValueIsAValueErrorAndZeroIsNot) {
  EXPECT_THROW(TypeParam(-1), mp::ValueError);
  EXPECT_FALSE(TypeParam(0).acquire(false));
}

TYPED_TEST(AnySemaphoreTest, IsSharedWithForkedChildren) {
  TypeParam semaphore(3);
  semaphore.acquire();

  EXPECT_EQ(in_child([&] { return semaphore.get_value(); }), 2);
}

TYPED_TEST(AnySemaphoreTest, ATimeoutEndsTheWait) {
  TypeParam semaphore(0);
  const auto start = Clock::now();

  EXPECT_FALSE(semaphore.acquire(50ms));
  EXPECT_GE(since(start), 50ms);
  EXPECT_FALSE(semaphore.acquire(true, 1ms));
  EXPECT_FALSE(semaphore.acquire(-1s));
  EXPECT_FALSE(semaphore.acquire(false, 1h));
}

TYPED_TEST(AnySemaphoreTest, SignalsDoNotDisturbAWait) {
  TypeParam semaphore(1);
  semaphore.acquire();
  Child waiter([&] {
    const SignalStorm storm;
    const auto start = Clock::now();
    return !semaphore.acquire(100ms) && since(start) >= 100ms && semaphore.acquire();
  });
  std::this_thread::sleep_for(150ms);

  semaphore.release();

  EXPECT_EQ(waiter.wait(), 0);
}

TYPED_TEST(AnySemaphoreTest, EachReleaseLetsOneWaiterGo) {
  TypeParam semaphore(4);
  ASSERT_TRUE(semaphore.acquire_many(4));
  std::vector<Child> waiters;
  // They keep what they take, and live on.
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] {
      semaphore.acquire();
      ::raise(SIGSTOP);
    });
  }
  std::this_thread::sleep_for(30ms);

  for (int i = 0; i < 4; ++i) {
    semaphore.release();
    EXPECT_TRUE(eventually([&] { return semaphore.get_value() == 0; }));
  }
}

TYPED_TEST(AnySemaphoreTest, ReleaseOfSeveralLetsSeveralGo) {
  TypeParam semaphore(6);
  ASSERT_TRUE(semaphore.acquire_many(6));
  std::vector<Child> waiters;
  for (int i = 0; i < 6; ++i) waiters.emplace_back([&] { semaphore.acquire(); });
  std::this_thread::sleep_for(30ms);
  const auto start = Clock::now();

  semaphore.release(6);

  for (auto& waiter : waiters) EXPECT_EQ(waiter.wait(), 0);
  EXPECT_LT(since(start), 2s);
}

TYPED_TEST(AnySemaphoreTest, AcquireManyTakesAllOrNone) {
  TypeParam semaphore(5);

  EXPECT_TRUE(semaphore.acquire_many(3));
  EXPECT_EQ(semaphore.get_value(), 2);
  EXPECT_FALSE(semaphore.acquire_many(3, 0s));
  EXPECT_FALSE(semaphore.acquire_many(3, 20ms));
  EXPECT_EQ(semaphore.get_value(), 2);
  EXPECT_TRUE(semaphore.acquire_many(2));
  semaphore.release(5);
  EXPECT_EQ(semaphore.get_value(), 5);
}

TYPED_TEST(AnySemaphoreTest, AWaiterForManyGetsThemWhenTheyHaveCome) {
  TypeParam semaphore(3);
  ASSERT_TRUE(semaphore.acquire_many(3));
  Child waiter([&] { return semaphore.acquire_many(3) && semaphore.get_value() == 0; });
  for (int i = 0; i < 3; ++i) {
    std::this_thread::sleep_for(10ms);
    EXPECT_FALSE(waiter.ended());
    semaphore.release();
  }

  EXPECT_EQ(waiter.wait(), 0);
}

TYPED_TEST(AnySemaphoreTest, AWaiterForManyIsNotInTheWayOfOneForOne) {
  TypeParam semaphore(3);
  ASSERT_TRUE(semaphore.acquire_many(3));
  Child many([&] { semaphore.acquire_many(3); });
  std::this_thread::sleep_for(20ms);
  Child one([&] { semaphore.acquire(); });
  std::this_thread::sleep_for(20ms);

  semaphore.release();

  EXPECT_EQ(one.wait(), 0);
}

TYPED_TEST(AnySemaphoreTest, NumbersBelowOneAreValueErrors) {
  TypeParam semaphore(1);

  EXPECT_THROW(semaphore.acquire_many(0), mp::ValueError);
  EXPECT_THROW(semaphore.acquire_many(-2), mp::ValueError);
  EXPECT_THROW(semaphore.release(0), mp::ValueError);
  EXPECT_THROW(semaphore.release(-1), mp::ValueError);
  EXPECT_EQ(semaphore.get_value(), 1);
}

TYPED_TEST(AnySemaphoreTest, IsLockable) {
  TypeParam semaphore(2);
  {
    const std::lock_guard guard(semaphore);
    EXPECT_EQ(semaphore.get_value(), 1);
    const std::unique_lock second(semaphore, 1s);
    EXPECT_TRUE(second.owns_lock());
    EXPECT_FALSE(semaphore.try_lock());
    EXPECT_FALSE(semaphore.try_lock_until(Clock::now() + 1ms));
  }
  EXPECT_EQ(semaphore.get_value(), 2);
}

TYPED_TEST(AnySemaphoreTest, NoPermitGetsLostBetweenManyTakersAndGivers) {
  TypeParam semaphore(3);
  std::vector<Child> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([&, i] {
      std::vector<std::thread> threads;
      for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
          for (int n = 0; n < 2'000; ++n) {
            const int permits = 1 + (n + i) % 3;
            semaphore.acquire_many(permits);
            semaphore.release(permits);
          }
        });
      }
      for (auto& thread : threads) thread.join();
    });
  }

  for (auto& child : children) EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(semaphore.get_value(), 3);
}

class SemaphoreTest : public SyncTest {};

TEST_F(SemaphoreTest, MayBeGivenMoreThanItBeganWith) {
  mp::Semaphore semaphore(1);

  semaphore.release();
  semaphore.release(5);

  EXPECT_EQ(semaphore.get_value(), 7);
  EXPECT_TRUE(semaphore.acquire_many(7));
}

TEST_F(SemaphoreTest, HoldsNoMorePermitsThanPythonsMaximum) {
  mp::Semaphore semaphore(INT_MAX - 1);

  semaphore.release();
  EXPECT_EQ(semaphore.get_value(), INT_MAX);
  EXPECT_THROW(semaphore.release(), mp::ValueError);
  EXPECT_THROW(semaphore.release(INT_MAX), mp::ValueError);
  EXPECT_EQ(semaphore.get_value(), INT_MAX);
}

TEST_F(SemaphoreTest, PermitsOfADeadTakerAreGone) {
  mp::Semaphore semaphore(2);
  in_child([&] {
    semaphore.acquire();
    ::raise(SIGKILL);
  });

  EXPECT_EQ(semaphore.get_value(), 1);
}

TEST_F(SemaphoreTest, WorksAsASignalBetweenProcesses) {
  mp::Semaphore there(0);
  mp::Semaphore back(0);
  Child echo([&] {
    for (int i = 0; i < 500; ++i) {
      there.acquire();
      back.release();
    }
  });

  for (int i = 0; i < 500; ++i) {
    there.release();
    EXPECT_TRUE(back.acquire());
  }

  EXPECT_EQ(echo.wait(), 0);
}

class BoundedSemaphoreTest : public SyncTest {
 protected:
  // A process that takes `permits` and lives until it is killed.
  static Child holder(mp::BoundedSemaphore semaphore, int permits) {
    const int before = semaphore.get_value();
    Child child([semaphore, permits]() mutable {
      semaphore.acquire_many(permits);
      for (;;) ::pause();
    });
    EXPECT_TRUE(eventually([&] { return semaphore.get_value() == before - permits; }));
    return child;
  }
};

TEST_F(BoundedSemaphoreTest, ReleaseBeyondTheBoundIsAValueErrorAndChangesNothing) {
  mp::BoundedSemaphore semaphore(3);
  EXPECT_THROW(semaphore.release(), mp::ValueError);
  semaphore.acquire_many(2);

  EXPECT_THROW(semaphore.release(3), mp::ValueError);

  EXPECT_EQ(semaphore.get_value(), 1);
  semaphore.release(2);
}

TEST_F(BoundedSemaphoreTest, ToAskForMoreThanTheBoundIsAValueError) {
  mp::BoundedSemaphore semaphore(3);

  EXPECT_THROW(semaphore.acquire_many(4), mp::ValueError);
  EXPECT_THROW(semaphore.acquire_many(4, 1s), mp::ValueError);
}

TEST_F(BoundedSemaphoreTest, ACopyAsSemaphoreKeepsTheBound) {
  mp::BoundedSemaphore semaphore(1);
  mp::Semaphore copy = semaphore;

  EXPECT_THROW(copy.release(), mp::ValueError);
}

TEST_F(BoundedSemaphoreTest, PermitsOfADeadHolderComeBack) {
  mp::BoundedSemaphore semaphore(5);
  Child a = holder(semaphore, 2);
  Child b = holder(semaphore, 1);

  a.kill();
  EXPECT_EQ(semaphore.get_value(), 4);
  b.kill();
  EXPECT_EQ(semaphore.get_value(), 5);
}

TEST_F(BoundedSemaphoreTest, AnOrderlyEndGivesBackToo) {
  mp::BoundedSemaphore semaphore(2);

  EXPECT_EQ(in_child([&] { semaphore.acquire_many(2); }), 0);

  EXPECT_TRUE(semaphore.acquire(false));
}

TEST_F(BoundedSemaphoreTest, AWaiterGetsWhatADeadHolderHad) {
  mp::BoundedSemaphore semaphore(2);
  Child a = holder(semaphore, 1);
  Child b = holder(semaphore, 1);
  Child waiter([&] { return semaphore.acquire_many(2); });
  std::this_thread::sleep_for(20ms);
  const auto start = Clock::now();

  a.kill();
  b.kill();

  EXPECT_EQ(waiter.wait(), 0);
  EXPECT_LT(since(start), 1s);
}

TEST_F(BoundedSemaphoreTest, TooManyReleasesAreNotedAlsoAfterADeath) {
  mp::BoundedSemaphore semaphore(1);
  holder(semaphore, 1).kill();

  EXPECT_THROW(semaphore.release(), mp::ValueError);

  EXPECT_EQ(semaphore.get_value(), 1);
}

TEST_F(BoundedSemaphoreTest, WhatAnotherReleasesComesOffTheOldestAccount) {
  mp::BoundedSemaphore semaphore(4);
  Child first = holder(semaphore, 1);
  Child second = holder(semaphore, 2);

  semaphore.release(2);  // the first one's, and one of the second's
  EXPECT_EQ(semaphore.get_value(), 3);

  first.kill();
  EXPECT_EQ(semaphore.get_value(), 3);
  second.kill();
  EXPECT_EQ(semaphore.get_value(), 4);
}

TEST_F(BoundedSemaphoreTest, AProcessReleasesItsOwnPermitsFirst) {
  mp::BoundedSemaphore semaphore(4);
  Child other = holder(semaphore, 2);
  semaphore.acquire();

  semaphore.release();
  other.kill();

  EXPECT_EQ(semaphore.get_value(), 4);
  EXPECT_THROW(semaphore.release(), mp::ValueError);
}

TEST_F(BoundedSemaphoreTest, AnAccountThatWasClosedIsOpenedAsTheYoungest) {
  mp::BoundedSemaphore semaphore(4);
  semaphore.acquire();
  Child other = holder(semaphore, 1);
  semaphore.release();
  semaphore.acquire();  // this process is the younger holder of the two now

  EXPECT_EQ(in_child([&] { semaphore.release(); }), 0);
  other.kill();  // held nothing any more

  EXPECT_EQ(semaphore.get_value(), 3);
  semaphore.release();
}

TEST_F(BoundedSemaphoreTest, ThreadsOfAProcessHaveOneAccount) {
  mp::BoundedSemaphore semaphore(2);
  std::thread([&] { semaphore.acquire(); }).join();

  std::thread([&] { semaphore.release(); }).join();

  EXPECT_EQ(semaphore.get_value(), 2);
}

TEST_F(BoundedSemaphoreTest, AForkedChildHoldsNothing) {
  mp::BoundedSemaphore semaphore(2);
  semaphore.acquire();

  EXPECT_EQ(in_child([] {}), 0);

  EXPECT_EQ(semaphore.get_value(), 1);
  semaphore.release();
}

TEST_F(BoundedSemaphoreTest, KeepsAccountsOfAnyNumberOfProcesses) {
  constexpr int kHolders = 150;
  mp::BoundedSemaphore semaphore(kHolders + 1);
  std::vector<Child> holders;
  for (int i = 0; i < kHolders; ++i) {
    holders.emplace_back([&] {
      semaphore.acquire();
      for (;;) ::pause();
    });
  }
  ASSERT_TRUE(eventually([&] { return semaphore.get_value() == 1; }));

  for (int i = 0; i < kHolders; i += 2) holders[static_cast<std::size_t>(i)].kill();

  EXPECT_EQ(semaphore.get_value(), 1 + kHolders / 2);
  holders.clear();
  EXPECT_EQ(semaphore.get_value(), kHolders + 1);
}

TEST_F(BoundedSemaphoreTest, KeepsHugeNumbersOfPermits) {
  mp::BoundedSemaphore semaphore(INT_MAX);

  EXPECT_TRUE(semaphore.acquire_many(INT_MAX));
  EXPECT_FALSE(semaphore.acquire(false));
  semaphore.release(INT_MAX);
  EXPECT_THROW(semaphore.release(), mp::ValueError);
}

}  // namespace
