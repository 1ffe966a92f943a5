// SPDX-License-Identifier: BSL-1.0
// What a process does that holds and waits for others, as a manager's server does.
#include <chrono>
#include <functional>
#include <future>
#include <multiprocessing/detail/message_traits.hpp>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <utility>

#include "step_killer.hpp"
#include "sync/barrier_state.hpp"
#include "sync/bounded_semaphore_state.hpp"
#include "sync/condition_state.hpp"
#include "sync/event_state.hpp"
#include "sync/lock_state.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;
namespace memory = multiprocessing::memory;
namespace sync = multiprocessing::sync;

constexpr auto kSoon = 2s;  // what is not a hang

template <class State, class Handle> State& state_of(const Handle& handle) {
  return static_cast<State&>(
      mp::detail::HandleAccess::get(handle).template as<memory::ObjectHeader>());
}
sync::LockState& state(const mp::AnyLock& lock) { return state_of<sync::LockState>(lock); }

// Is asked, and gives up when it is told to.
struct GivingUp {
  std::atomic<bool> asked{false};
  std::atomic<bool> gone{false};
  void operator()() {
    asked = true;
    if (gone) throw std::runtime_error("gone");
  }
  sync::Look look() { return sync::Look::of(*this); }
};

class DeputyTest : public SyncTest {
 protected:
  static void expect_told_of_the_client(mp::AnyLock lock) {
    try {
      lock.acquire(kSoon);
      ADD_FAILURE() << "it is free";
    } catch (const mp::OwnerDiedError& error) {
      EXPECT_EQ(error.pid(), 4711);
      EXPECT_EQ(error.name(), "Client-1");
    }
  }

  static void expect_wait_throws(mp::Condition& condition, GivingUp& up) {
    EXPECT_THROW(
        state_of<sync::ConditionState>(condition).wait(mp::os::Deadline::never(), up.look()),
        std::runtime_error);
  }

  // A thread that has the condition's lock until it waits; who gets the lock finds it waiting.
  template <class Then>
  static std::thread in_a_wait_that_throws(mp::Condition& condition, GivingUp& up, Then then) {
    std::promise<void> holds;
    const std::future<void> held = holds.get_future();
    std::thread waiter([&condition, &up, then, holds = std::move(holds)]() mutable {
      condition.acquire();
      holds.set_value();
      expect_wait_throws(condition, up);
      then();
    });
    held.wait();
    return waiter;
  }
};

TEST_F(DeputyTest, AHoldEndsByTheDeathOfWhomItIsFor) {
  mp::Lock lock;
  lock.acquire();

  state(lock).die_holding(4711, "Client-1");

  expect_told_of_the_client(lock);
  lock.make_consistent();
  EXPECT_TRUE(lock.acquire(false));
}

TEST_F(DeputyTest, AnRLockBelongsToWhomItIsForAndNoThread) {
  mp::RLock lock;
  lock.acquire();
  lock.acquire();
  state(lock).belong_to(sync::new_thread_number());
  EXPECT_FALSE(lock.acquire(false));

  state(lock).die_holding(4711, "Client-1");

  expect_told_of_the_client(lock);
  lock.make_consistent();
  EXPECT_TRUE(lock.acquire(false));
  lock.release();
  EXPECT_FALSE(lock.locked());
}

TEST_F(DeputyTest, ARecoveringLockIsFreeAfterTheDeathOfWhomItIsFor) {
  mp::RLock lock(mp::recover);
  lock.acquire();

  state(lock).die_holding(4711, "Client-1");

  EXPECT_FALSE(lock.locked());
  EXPECT_TRUE(lock.acquire(false));
}

TEST_F(DeputyTest, WhatAnotherProcessHoldsDoesNotEnd) {
  mp::Lock lock;
  EXPECT_EQ(in_child([&] {
              lock.acquire();
              EXPECT_EQ(in_child([&] { state(lock).die_holding(4711, "Client-1"); }), 0);
              EXPECT_TRUE(lock.locked());
              lock.release();
            }),
            0);

  EXPECT_TRUE(lock.acquire(kSoon));
}

TEST_F(DeputyTest, WhoSleepsIsToldAtOnce) {
  mp::Lock lock;
  lock.acquire();
  std::thread waiter([&] { expect_told_of_the_client(lock); });
  std::this_thread::sleep_for(5ms);  // it sleeps then, as a rule

  state(lock).die_holding(4711, "Client-1");

  waiter.join();
}

TEST_F(DeputyTest, WhoIsKilledAtAnyInstructionOfEndingAHoldIsADeadHolderItself) {
  mp::RLock lock;
  kill_at_every_step({
      .approach = [&] { lock.acquire(); },
      .act = [&] { state(lock).die_holding(4711, "Client-1"); },
      .check =
          [&] {
            EXPECT_THROW(lock.acquire(kSoon), mp::OwnerDiedError);
            lock.make_consistent();
            EXPECT_TRUE(lock.acquire(kSoon));
            lock.release();
            EXPECT_FALSE(lock.locked());
          },
  });
}

TEST_F(DeputyTest, AWaitForARepairThatNobodyWantsEnds) {
  mp::Lock lock;
  lock.acquire();
  state(lock).die_holding(4711, "Client-1");
  GivingUp up;
  up.gone = true;

  lock.make_consistent([&] {
    std::thread other([&] {
      EXPECT_THROW(state(lock).make_consistent(nullptr, nullptr, up.look()), std::runtime_error);
    });
    other.join();
  });

  EXPECT_TRUE(lock.acquire(false));
}

TEST_F(DeputyTest, PermitsOfItsOwnAloneAreGivenBack) {
  mp::BoundedSemaphore semaphore(3);
  auto& bounded = state_of<sync::BoundedSemaphoreState>(semaphore);
  Child other([&] {
    semaphore.acquire();
    return ::pause();
  });
  ASSERT_TRUE(eventually([&] { return semaphore.get_value() == 2; }));
  semaphore.acquire();
  EXPECT_EQ(bounded.own(), 1U);

  bounded.give_own(3);

  EXPECT_EQ(bounded.own(), 0U);
  EXPECT_EQ(semaphore.get_value(), 2);
}

TEST_F(DeputyTest, WhoIsKilledAtAnyInstructionOfGivingItsOwnBackHoldsNothing) {
  mp::BoundedSemaphore semaphore(2);
  auto& bounded = state_of<sync::BoundedSemaphoreState>(semaphore);
  kill_at_every_step({
      .approach = [&] { semaphore.acquire_many(2); },
      .act = [&] { bounded.give_own(1); },
      .check =
          [&] {
            EXPECT_TRUE(semaphore.acquire_many(2, kSoon));
            semaphore.release(2);
          },
  });
}

TEST_F(DeputyTest, AWaitForAnEventEndsWhenNobodyWantsIt) {
  mp::Event event;
  GivingUp up;
  up.gone = true;

  EXPECT_THROW(state_of<sync::EventState>(event).wait(mp::forever, up.look()), std::runtime_error);
}

TEST_F(DeputyTest, AWaitInABarrierThatNobodyWantsBreaksIt) {
  mp::Barrier barrier(2);
  GivingUp up;
  up.gone = true;

  EXPECT_THROW(state_of<sync::BarrierState>(barrier).wait(mp::forever, {}, up.look()),
               std::runtime_error);

  EXPECT_TRUE(barrier.broken());
  barrier.reset();
  EXPECT_EQ(barrier.n_waiting(), 0);
}

TEST_F(DeputyTest, AWaitForANotificationThatNobodyWantsLeavesTheLockToOthers) {
  mp::Condition condition;
  condition.acquire();
  GivingUp up;
  up.gone = true;

  expect_wait_throws(condition, up);

  EXPECT_FALSE(condition.locked());
}

TEST_F(DeputyTest, ANotificationThatNobodyWantsIsForAnother) {
  mp::Condition condition;
  GivingUp up;
  std::thread first = in_a_wait_that_throws(condition, up, [&] { up.gone = false; });
  std::atomic<bool> second_waits{false};
  std::thread second([&] {
    const std::scoped_lock guard(condition);
    second_waits = true;
    EXPECT_TRUE(condition.wait(20s));
  });
  while (!second_waits) std::this_thread::yield();
  {
    const std::scoped_lock guard(condition);
    // It is the first's, which wants it no more when it gets to see it.
    up.gone = true;
    condition.notify();
  }
  first.join();
  second.join();
}

TEST_F(DeputyTest, AWaitForTheLockAfterANotificationEndsToo) {
  mp::Condition condition;
  GivingUp up;
  std::thread waiter = in_a_wait_that_throws(condition, up, [] {});
  condition.acquire();
  condition.notify();
  up.asked = false;
  EXPECT_TRUE(eventually([&] { return up.asked.load(); }));
  up.gone = true;

  waiter.join();

  condition.release();
  EXPECT_FALSE(condition.locked());
}

}  // namespace
