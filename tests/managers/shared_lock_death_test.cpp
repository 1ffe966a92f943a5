// SPDX-License-Identifier: BSL-1.0
// What is left of holds and waits that end in the middle: locks of the program behind a server.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/managers.hpp>
#include <multiprocessing/memory.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/sharedctypes.hpp>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "child.hpp"
#include "fresh_program.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using test::eventually;
using namespace std::chrono_literals;

class SharedLockDeathTest : public testing::Test {
 protected:
  SharedLockDeathTest() {
    manager_.register_callable("condition", [condition = condition_] { return condition; });
    manager_.register_callable("barrier", [barrier = barrier_] { return barrier; });
    manager_.register_callable("wait for it", [condition = condition_] {
      Condition own = condition;
      const std::scoped_lock guard(own);
    });
    manager_.start();
  }
  [[nodiscard]] ConditionProxy condition() const {
    return manager_.call<ConditionProxy>("condition");
  }
  /// Somebody of the program takes the condition's lock and is killed.
  void die_with_the_lock() {
    EXPECT_EQ(test::in_child([this] {
                condition_.acquire();
                ::raise(SIGKILL);
              }),
              -SIGKILL);
  }
  /// Until so many calls wait in the server, as a rule.
  static void let_them_wait() { std::this_thread::sleep_for(20ms); }

  test::Watchdog watchdog_{60s};
  Condition condition_;
  Event acting_;
  Event go_on_;
  Barrier barrier_{2, [this]() mutable {
                     acting_.set();
                     go_on_.wait();
                   }};
  SyncManager manager_;
};

TEST_F(SharedLockDeathTest, AClientKilledOnItsWayBackFromAWaitHoldsNoLevelOfAnRLock) {
  Event waits;
  Process client([&] {
    auto proxy = condition();
    proxy.acquire();
    proxy.acquire();
    waits.set();
    proxy.wait();
  });
  client.start();
  waits.wait();
  {
    // Only when the client waits.
    const std::scoped_lock guard(condition_);
    condition_.notify();
    let_them_wait();
    client.kill();
    client.join();
  }

  try {
    EXPECT_TRUE(condition_.acquire(20s));
  } catch (const OwnerDiedError&) {
    condition_.make_consistent();
    EXPECT_TRUE(condition_.acquire(20s));
  }
}

TEST_F(SharedLockDeathTest, AClientIsToldOfThoughACallOfItsOwnWaitsForWhatItHolds) {
  Event waits;
  Process client([&] {
    condition().acquire();
    std::thread other([&] { manager_.call("wait for it"); });
    waits.set();
    other.join();
  });
  client.start();
  waits.wait();
  let_them_wait();
  client.kill();
  client.join();

  EXPECT_THROW(condition_.acquire(20s), OwnerDiedError);
}

TEST_F(SharedLockDeathTest, ALockThatIsTakenTwiceAfterALossIsFreeWhenItIsReleasedTwice) {
  auto proxy = condition();
  Event waits;
  std::thread killer([&] {
    waits.wait();
    die_with_the_lock();
  });
  proxy.acquire();
  waits.set();
  EXPECT_THROW(proxy.wait(), OwnerDiedError);
  killer.join();
  proxy.make_consistent();

  proxy.acquire();
  proxy.acquire();
  proxy.release();
  proxy.release();

  EXPECT_FALSE(condition_.locked());
  proxy.release();  // that of the lost hold
  EXPECT_THROW(proxy.release(), RuntimeError);
}

TEST_F(SharedLockDeathTest, AnyNumberOfThreadsMayLoseTheirHoldsAtOnce) {
  constexpr int kThreads = 7;
  std::atomic<int> waiting{0};
  std::atomic<int> told{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      auto proxy = condition();
      const std::scoped_lock guard(proxy);
      ++waiting;
      try {
        proxy.wait();
      } catch (const OwnerDiedError&) {
        ++told;
      }
      while (told < kThreads) std::this_thread::yield();
    });
    // The guard is there only when those before wait.
    EXPECT_TRUE(eventually([&] { return waiting == i + 1; }));
  }
  die_with_the_lock();
  EXPECT_TRUE(eventually([&] { return told == kThreads; }));
  for (auto& thread : threads) thread.join();
}

TEST_F(SharedLockDeathTest, AClientThatEndedBeforeItsTurnIsNoPartyOfTheNextRound) {
  std::vector<std::thread> round;
  for (int i = 0; i < 2; ++i) round.emplace_back([this] { barrier_.wait(); });
  acting_.wait();
  Process client([this] { manager_.call<BarrierProxy>("barrier").wait(); });
  client.start();
  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() == 1; }));
  let_them_wait();
  client.kill();
  client.join();
  std::this_thread::sleep_for(200ms);  // the server has looked by then, as a rule

  go_on_.set();
  for (auto& thread : round) thread.join();

  EXPECT_THROW(barrier_.wait(300ms), BrokenBarrierError);
}

TEST_F(SharedLockDeathTest, AValueIsReadByTheClientThatHoldsItsLock) {
  const RLock lock;
  const Value<int> value(with_lock(lock), 5);
  SyncManager manager;
  manager.register_callable("value", [value] { return value; });
  manager.register_callable("lock", [lock] { return lock; });
  manager.start();
  const auto proxy = manager.call<ValueProxy<int>>("value");
  auto held = manager.call<RLockProxy>("lock");

  held.acquire();
  proxy.set(proxy.get() + 1);
  held.release();

  EXPECT_EQ(value.value(), 6);
  EXPECT_FALSE(lock.locked());
}

FRESH_SCENARIO(a_wait_finds_no_memory) {
  set_segment_limit(16 << 20);
  Condition condition;
  SyncManager manager;
  manager.register_callable("condition", [condition] { return condition; });
  manager.start();
  // The first nine need none.
  std::vector<std::thread> waiters;
  for (int i = 0; i < 9; ++i) {
    waiters.emplace_back([&] {
      auto proxy = manager.call<ConditionProxy>("condition");
      const std::scoped_lock guard(proxy);
      proxy.wait();
    });
  }
  auto proxy = manager.call<ConditionProxy>("condition");
  EXPECT_TRUE(eventually([&] { return manager.number_of_objects() == 10; }));
  std::this_thread::sleep_for(100ms);
  std::vector<Lock> locks;
  try {
    for (;;) locks.emplace_back();
  } catch (const MemoryError&) {
  }
  proxy.acquire();
  EXPECT_THROW(proxy.wait(), MemoryError);
  locks.clear();
  proxy.notify_all();  // it holds the lock still
  proxy.release();
  for (auto& waiter : waiters) waiter.join();
  EXPECT_TRUE(condition.acquire(20s));
  return 0;
}

TEST(SharedLockMemoryTest, AWaitThatFindsNoMemoryLeavesTheLockWithItsHolder) {
  EXPECT_EQ(::test::run_fresh("a_wait_finds_no_memory"), 0);
}

}  // namespace
}  // namespace multiprocessing
