// SPDX-License-Identifier: BSL-1.0
// What becomes of a Condition whose waiters, or whose lock's holder, are killed.
#include <unistd.h>

#include <csignal>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <vector>

#include "condition_test.hpp"
#include "shared_word.hpp"
#include "traced_process.hpp"

namespace {

using namespace multiprocessing::test;

class ConditionDeathTest : public ConditionTest {};

TEST_F(ConditionDeathTest, ADeadWaiterIsNotCounted) {
  auto waiters = start_waiters(4);
  waiters[0].kill();
  waiters[2].kill();

  notify(1);
  expect_woken(1);
  EXPECT_TRUE(waiters[1].ended());
  notify(1);
  EXPECT_EQ(waiters[3].wait(), 0);
}

TEST_F(ConditionDeathTest, TheNotificationOfAWaiterThatDiesBeforeItReturnsIsPassedOn) {
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

TEST_F(ConditionDeathTest, AWaiterIsToldThatTheHolderOfTheLockDied) {
  for (const bool notified : {true, false}) {
    counts_.waiting = 0;
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
      if (notified) condition_.notify();
      ::raise(SIGKILL);
    });

    EXPECT_EQ(waiter.wait(), 7) << "notified before: " << notified;
    EXPECT_THROW(condition_.acquire(), mp::OwnerDiedError);
    condition_.make_consistent();
  }
}

TEST_F(ConditionDeathTest, AWaiterWhoseLockRecoversWakesWhenTheHolderDied) {
  mp::Condition condition{mp::Lock(mp::recover)};
  Child waiter([&] {
    const std::scoped_lock guard(condition);
    ++counts_.waiting;
    return condition.wait();
  });
  ASSERT_TRUE(eventually([&] { return counts_.waiting == 1; }));

  in_child([&] {
    condition.acquire();
    ::raise(SIGKILL);
  });

  EXPECT_EQ(waiter.wait(), 0);
  EXPECT_FALSE(condition.locked());
}

TEST_F(ConditionDeathTest, WhatTheNotifiedLeavesUndoneWhenItDiesIsDoneByAnother) {
  Child dying([&] {
    const std::scoped_lock guard(condition_);
    ++counts_.waiting;
    condition_.wait_for([&] { return counts_.value > 0; });
    ::raise(SIGKILL);
  });
  ASSERT_TRUE(eventually([&] { return counts_.waiting == 1; }));
  Child other([&] {
    const auto take = [&] {
      const std::scoped_lock guard(condition_);
      ++counts_.waiting;
      condition_.wait_for([&] { return counts_.value > 0; });
      --counts_.value;
    };
    try {
      take();
    } catch (const mp::OwnerDiedError&) {
      condition_.make_consistent();
      take();
    }
  });
  ASSERT_TRUE(eventually([&] { return counts_.waiting == 2; }));
  {
    const std::scoped_lock guard(condition_);
    ++counts_.value;
    condition_.notify();
  }

  EXPECT_EQ(other.wait(), 0);
  EXPECT_EQ(counts_.value, 0);
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

TEST_F(ConditionDeathTest, TheErrorOfALostLockLeavesTheScopesOfItsGuards) {
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

TEST_F(ConditionDeathTest, ALostLockIsRepairedAndTakenAgainInTheScopeOfItsGuard) {
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

TEST_F(ConditionDeathTest, TheGuardOfALostLockDoesNotReleaseAnothersHold) {
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

// Whoever is told first repairs at once, and so does one that waits for the lock.
template <class L> class RepairedAtOnceTest : public ConditionTest {
 protected:
  mp::Condition shared_{std::is_same_v<L, mp::Lock> ? mp::AnyLock(mp::Lock(mp::recover))
                                                    : mp::AnyLock(mp::RLock())};
  Child start_waiter_here() {
    const int before = counts_.waiting;
    Child waiter([this] {
      try {
        const std::scoped_lock guard(shared_);
        ++counts_.waiting;
        shared_.wait();
      } catch (const mp::OwnerDiedError&) {
        shared_.make_consistent();
      }
      ++counts_.woken;
    });
    EXPECT_TRUE(eventually([&] { return counts_.waiting == before + 1; }));
    return waiter;
  }
};
using Locks = testing::Types<mp::Lock, mp::RLock>;
TYPED_TEST_SUITE(RepairedAtOnceTest, Locks);

TYPED_TEST(RepairedAtOnceTest, AllWhoWaitWakeWhenTheHolderIsKilled) {
  constexpr int kWaiters = 4;
  for (const bool another_comes : {false, true}) {
    this->counts_.waiting = this->counts_.woken = this->counts_.value = 0;
    std::vector<Child> waiters;
    for (int i = 0; i < kWaiters; ++i) waiters.push_back(this->start_waiter_here());
    Child holder([&] {
      this->shared_.acquire();
      this->counts_.value = 1;
      ::pause();
    });
    ASSERT_TRUE(eventually([&] { return this->counts_.value == 1; }));
    std::optional<Child> acquirer;
    if (another_comes) {
      acquirer.emplace([&] {
        try {
          const std::scoped_lock guard(this->shared_);
        } catch (const mp::OwnerDiedError&) {
          this->shared_.make_consistent();
        }
      });
    }

    holder.kill();

    EXPECT_TRUE(eventually([&] { return this->counts_.woken == kWaiters; }))
        << this->counts_.woken << " woke, another comes: " << another_comes;
  }
}

// A process whose wait is stopped after `steps` instructions, while another releases its Lock; it
// lives on.
std::unique_ptr<TracedProcess> wait_whose_lock_is_released_after(int steps, mp::Lock lock,
                                                                 mp::Condition condition,
                                                                 SharedWord& refused) {
  auto waits = std::make_unique<TracedProcess>([&] { lock.acquire(); },
                                               [&] {
                                                 try {
                                                   condition.wait(0s);
                                                 } catch (const mp::ValueError&) {
                                                   ++refused;
                                                 } catch (const mp::AssertionError&) {
                                                   // It had not come to the waiters yet.
                                                 }
                                                 if (lock.locked()) lock.release();
                                                 ::pause();
                                               });
  for (int step = 0; step < steps; ++step) waits->step();
  if (lock.locked()) lock.release();
  while (waits->next_system_call() == TracedProcess::State::kStopped) {
  }
  return waits;
}

TEST_F(ConditionDeathTest, AWaitWhoseLockAnotherReleasesAtAnyInstructionTakesNoNotificationLater) {
  mp::Lock lock;
  mp::Condition condition(lock);
  SharedWord refused;
  std::vector<std::unique_ptr<TracedProcess>> processes;
  for (int steps = 0; refused == 0 && steps < 10'000; steps += 73) {
    processes.push_back(wait_whose_lock_is_released_after(steps, lock, condition, refused));
  }
  EXPECT_GT(refused, 0);

  Child waiter([&] {
    const std::scoped_lock guard(condition);
    ++counts_.waiting;
    return condition.wait();
  });
  ASSERT_TRUE(eventually([&] { return counts_.waiting == 1; }));
  {
    const std::scoped_lock guard(condition);
    condition.notify();
  }

  EXPECT_EQ(waiter.wait(), 0);
}

}  // namespace
