// SPDX-License-Identifier: BSL-1.0
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "manager_test.hpp"

namespace multiprocessing {
namespace {

using test::Clock;
using test::ManagerTest;
using namespace std::chrono_literals;

class LockTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(LockTest);

void count_up(LockProxy lock, ValueProxy<int> counter) {
  for (int i = 0; i < 50; ++i) {
    const std::scoped_lock guard(lock);
    counter.set(counter.get() + 1);
  }
}

TEST_P(LockTest, KeepsOthersOut) {
  const LockProxy lock = manager_.Lock();
  const auto counter = manager_.Value<int>(0);
  std::vector<Process> children;
  for (int i = 0; i < 4; ++i) children.push_back(context_.Process(count_up, lock, counter));

  for (auto& child : children) child.start();
  for (auto& child : children) child.join();

  EXPECT_EQ(counter.get(), 200);
}

TEST_P(LockTest, MayBeReleasedByAnyProcessButOnlyOnce) {
  LockProxy lock = manager_.Lock();
  EXPECT_TRUE(lock.acquire());
  EXPECT_FALSE(lock.acquire(false));
  EXPECT_FALSE(lock.acquire(20ms));

  EXPECT_EQ(run([](LockProxy l) { l.release(); }, lock), 0);

  EXPECT_FALSE(lock.locked());
  EXPECT_THROW(lock.release(), RuntimeError);
}

template <class L> void take_and_wait(L lock, EventProxy has_taken) {
  lock.acquire();
  has_taken.set();
  for (;;) ::pause();
}

TEST_P(LockTest, OfAKilledHolderIsOwnerDiedErrorUntilItIsMadeConsistent) {
  LockProxy lock = manager_.Lock();
  const EventProxy taken = manager_.Event();
  auto child = context_.Process(take_and_wait<LockProxy>, lock, taken);
  child.start();
  taken.wait();

  child.kill();

  try {
    lock.acquire();
    FAIL();
  } catch (const OwnerDiedError& error) {
    EXPECT_EQ(error.pid(), child.pid());
    EXPECT_EQ(error.name(), child.name());
  }
  EXPECT_THROW(lock.acquire(false), OwnerDiedError);
  lock.make_consistent();
  EXPECT_TRUE(lock.acquire());
}

TEST_P(LockTest, AnRLockIsTakenAgainByItsThreadAlone) {
  RLockProxy lock = manager_.RLock();
  EXPECT_TRUE(lock.acquire());
  EXPECT_TRUE(lock.acquire());

  std::thread([&] {
    EXPECT_FALSE(lock.acquire(false));
    EXPECT_THROW(lock.release(), RuntimeError);
  }).join();

  lock.release();
  EXPECT_TRUE(lock.locked());
  lock.release();
  EXPECT_FALSE(lock.locked());
  EXPECT_THROW(lock.release(), RuntimeError);
}

TEST_P(LockTest, ALockThatAThreadTookStaysTakenWhenTheThreadEnds) {
  LockProxy lock = manager_.Lock();

  std::thread([&] { lock.acquire(); }).join();

  EXPECT_TRUE(lock.locked());
  lock.release();
}

template <class L> void take_notify_and_wait(L condition, EventProxy has_taken) {
  condition.acquire();
  condition.notify();
  has_taken.set();
  for (;;) ::pause();
}

TEST_P(LockTest, TheErrorOfALockThatAWaitLostLeavesTheScopesOfItsGuards) {
  LockProxy lock = manager_.Lock();
  ConditionProxy condition = manager_.Condition(lock);
  const EventProxy taken = manager_.Event();
  auto child = context_.Process(take_notify_and_wait<ConditionProxy>, condition, taken);
  const auto lose = [&] {
    const std::scoped_lock guard(lock);
    child.start();
    std::thread killer([&] {
      taken.wait();
      child.kill();
    });
    struct Join {
      std::thread& thread;
      ~Join() { thread.join(); }
    } const join{killer};
    condition.wait();
  };

  EXPECT_THROW(lose(), OwnerDiedError);

  lock.make_consistent();
  EXPECT_FALSE(lock.locked());
  { const std::scoped_lock guard(lock); }
  EXPECT_FALSE(lock.locked());
  EXPECT_THROW(lock.release(), RuntimeError);
}

class SemaphoreTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(SemaphoreTest);

TEST_P(SemaphoreTest, GivesItsPermitsAndWaitsForMore) {
  SemaphoreProxy semaphore = manager_.Semaphore(2);

  EXPECT_TRUE(semaphore.acquire());
  EXPECT_TRUE(semaphore.acquire());
  EXPECT_TRUE(semaphore.locked());
  EXPECT_FALSE(semaphore.acquire(20ms));
  EXPECT_EQ(run([](SemaphoreProxy s) { s.release(3); }, semaphore), 0);

  EXPECT_EQ(semaphore.get_value(), 3);
  EXPECT_FALSE(semaphore.acquire_many(4, 10ms));
  EXPECT_TRUE(semaphore.acquire_many(3));
}

TEST_P(SemaphoreTest, ABoundedOneTakesNoMoreThanItGaveAndGetsAKilledHoldersBack) {
  BoundedSemaphoreProxy semaphore = manager_.BoundedSemaphore(2);
  EXPECT_THROW(semaphore.release(), ValueError);
  const EventProxy taken = manager_.Event();
  auto child = context_.Process(take_and_wait<BoundedSemaphoreProxy>, semaphore, taken);
  child.start();
  taken.wait();
  EXPECT_EQ(semaphore.get_value(), 1);

  child.kill();

  EXPECT_TRUE(semaphore.acquire_many(2, 10s));
}

class EventTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(EventTest);

TEST_P(EventTest, WakesWhoWaits) {
  const EventProxy event = manager_.Event();
  EXPECT_FALSE(event.wait(10ms));
  auto child = context_.Process([](EventProxy e) { return e.wait(); }, event);
  child.start();

  event.set();

  EXPECT_TRUE(child.join(20s));
  EXPECT_TRUE(event.is_set());
  event.clear();
  EXPECT_FALSE(event.is_set());
}

class ConditionTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(ConditionTest);

void wait_and_count(ConditionProxy condition, ValueProxy<int> waiting, ValueProxy<int> woken) {
  const std::scoped_lock guard(condition);
  waiting.set(waiting.get() + 1);
  condition.wait();
  woken.set(woken.get() + 1);
}

TEST_P(ConditionTest, NotifiesAsManyAsItIsToldTo) {
  for (ConditionProxy condition : {manager_.Condition(), manager_.Condition(manager_.Lock()),
                                   manager_.Condition(manager_.RLock())}) {
    const auto waiting = manager_.Value<int>(0);
    const auto woken = manager_.Value<int>(0);
    std::vector<Process> children;
    for (int i = 0; i < 3; ++i) {
      children.push_back(context_.Process(wait_and_count, condition, waiting, woken));
      children.back().start();
    }
    EXPECT_TRUE(test::eventually([&] {
      const std::scoped_lock guard(condition);
      return waiting.get() == 3;
    }));

    {
      const std::scoped_lock guard(condition);
      condition.notify(2);
    }
    EXPECT_TRUE(test::eventually([&] { return woken.get() == 2; }));
    {
      const std::scoped_lock guard(condition);
      condition.notify_all();
    }
    for (auto& child : children) EXPECT_TRUE(child.join(20s));
    EXPECT_EQ(woken.get(), 3);
  }
}

TEST_P(ConditionTest, NeedsItsLockAndGivesUpInTime) {
  ConditionProxy condition = manager_.Condition();

  EXPECT_THROW(condition.wait(), RuntimeError);
  EXPECT_THROW(condition.notify(), RuntimeError);
  condition.acquire();
  EXPECT_FALSE(condition.wait(20ms));
  EXPECT_FALSE(condition.wait_for([] { return false; }, 20ms));
  EXPECT_TRUE(condition.wait_for([] { return true; }));
  condition.release();
}

// Two processes that wait for a notification, one after the other.
class TwoWaitersTest : public ManagerTest {
 protected:
  void SetUp() override {
    first_.start();
    EXPECT_TRUE(are_waiting(1));
    second_.start();
    EXPECT_TRUE(are_waiting(2));
  }
  // As the first has died, the notification is for the second.
  void expect_second_woken() {
    EXPECT_TRUE(second_.join(20s));
    EXPECT_EQ(woken_.get(), 1);
  }

  ConditionProxy condition_ = manager_.Condition();
  ValueProxy<int> waiting_ = manager_.Value<int>(0);
  ValueProxy<int> woken_ = manager_.Value<int>(0);
  Process first_ = context_.Process(wait_and_count, condition_, waiting_, woken_);
  Process second_ = context_.Process(wait_and_count, condition_, waiting_, woken_);

 private:
  bool are_waiting(int n) {
    return test::eventually([&] {
      const std::scoped_lock guard(condition_);
      return waiting_.get() == n;
    });
  }
};
UNDER_EVERY_START_METHOD(TwoWaitersTest);

TEST_P(TwoWaitersTest, ANotificationIsForTheLivingOne) {
  first_.kill();
  first_.join();
  {
    const std::scoped_lock guard(condition_);
    condition_.notify();
  }

  expect_second_woken();
}

TEST_P(TwoWaitersTest, ANotificationIsForTheOtherIfOneDiesBeforeItHasTheLockBack) {
  {
    const std::scoped_lock guard(condition_);
    condition_.notify();
    // By then the server has seen to it, as a rule, and the first waits for the lock.
    std::this_thread::sleep_for(20ms);
    first_.kill();
    first_.join();
  }

  expect_second_woken();
}

TEST_P(ConditionTest, TellsThoseWhoWaitThatTheHolderOfTheLockWasKilled) {
  for (const auto work : {take_and_wait<ConditionProxy>, take_notify_and_wait<ConditionProxy>}) {
    ConditionProxy condition = manager_.Condition();
    const EventProxy waits = manager_.Event();
    const EventProxy taken = manager_.Event();
    auto waiter = context_.Process(
        [](ConditionProxy c, EventProxy has_lock) {
          c.acquire();
          has_lock.set();
          try {
            c.wait();
          } catch (const OwnerDiedError&) {
            exit(7);
          }
        },
        condition, waits);
    waiter.start();
    waits.wait();
    auto holder = context_.Process(work, condition, taken);
    holder.start();
    taken.wait();

    holder.kill();

    EXPECT_TRUE(waiter.join(20s));
    EXPECT_EQ(waiter.exitcode(), 7);
  }
}

class BarrierTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(BarrierTest);

TEST_P(BarrierTest, LetsAllPartiesGoWhenTheLastHasCome) {
  const BarrierProxy barrier = manager_.Barrier(3);
  const auto places = manager_.list<int>();
  std::vector<Process> children;
  for (int i = 0; i < 3; ++i) {
    children.push_back(context_.Process(
        [](BarrierProxy b, ListProxy<int> l) {
          for (int round = 0; round < 5; ++round) l.append(b.wait());
        },
        barrier, places));
    children.back().start();
  }
  for (auto& child : children) EXPECT_TRUE(child.join(30s));

  EXPECT_EQ(places.size(), 15U);
  for (int place = 0; place < 3; ++place) EXPECT_EQ(places.count(place), 5U);
  EXPECT_EQ(barrier.parties(), 3);
  EXPECT_EQ(barrier.n_waiting(), 0);
}

TEST_P(BarrierTest, BreaksWhenAWaitingPartyIsKilledOrItsTimeIsOver) {
  const BarrierProxy barrier = manager_.Barrier(3);
  auto child = context_.Process([](BarrierProxy b) { b.wait(); }, barrier);
  child.start();
  EXPECT_TRUE(test::eventually([&] { return barrier.n_waiting() == 1; }));

  child.kill();

  EXPECT_THROW(barrier.wait(), BrokenBarrierError);
  EXPECT_TRUE(barrier.broken());
  barrier.reset();
  EXPECT_FALSE(barrier.broken());
  EXPECT_THROW(barrier.wait(10ms), BrokenBarrierError);
  EXPECT_TRUE(barrier.broken());
  barrier.reset();
  barrier.abort();
  EXPECT_THROW(barrier.wait(), BrokenBarrierError);
}

}  // namespace
}  // namespace multiprocessing
