// SPDX-License-Identifier: BSL-1.0
// Locks of the program and their like that clients reach through a server.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/managers.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/synchronize.hpp>
#include <mutex>
#include <string>
#include <thread>

#include "child.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using test::eventually;
using namespace std::chrono_literals;

class SharedLockTest : public testing::Test {
 protected:
  SharedLockTest() {
    serve("lock", lock_);
    serve("rlock", rlock_);
    serve("semaphore", semaphore_);
    serve("bounded", bounded_);
    serve("event", event_);
    serve("condition", condition_);
    serve("condition of the lock", of_lock_);
    serve("barrier", barrier_);
    manager_.start();
    ready_ = manager_.Event();
  }
  template <class Handle> void serve(const std::string& name, const Handle& handle) {
    manager_.register_callable(name, [handle] { return handle; });
  }
  template <class P> [[nodiscard]] P get(std::string_view name) const {
    return manager_.call<P>(name);
  }
  /// A client that does this, says that it has, and stays.
  template <class F> [[nodiscard]] Process client_that(F work) {
    ready_.clear();
    Process client([this, work] {
      work();
      ready_.set();
      for (;;) ::pause();
    });
    client.start();
    EXPECT_TRUE(ready_.wait(20s));
    return client;
  }
  template <class L> static void expect_told_of(L lock, const Process& dead) {
    try {
      lock.acquire(20s);
      ADD_FAILURE() << "nobody was told";
    } catch (const OwnerDiedError& error) {
      EXPECT_EQ(error.pid(), dead.pid());
      EXPECT_EQ(error.name(), dead.name());
    }
  }

  test::Watchdog watchdog_{60s};
  Lock lock_;
  RLock rlock_;
  Semaphore semaphore_{1};
  BoundedSemaphore bounded_{3};
  Event event_;
  Condition condition_;
  Condition of_lock_{lock_};
  Barrier barrier_{2};
  SyncManager manager_;
  EventProxy ready_;
};

TEST_F(SharedLockTest, ALockKeepsProgramAndClientsApart) {
  auto proxy = get<LockProxy>("lock");

  EXPECT_TRUE(proxy.acquire());
  EXPECT_FALSE(lock_.acquire(false));
  EXPECT_FALSE(get<LockProxy>("lock").acquire(10ms));
  EXPECT_EQ(proxy.str(), "<locked Lock object>");
  proxy.release();

  EXPECT_TRUE(lock_.acquire(false));
  EXPECT_TRUE(proxy.locked());
  EXPECT_FALSE(proxy.acquire(10ms));
  proxy.release();  // anybody may
  EXPECT_FALSE(lock_.locked());
  EXPECT_THROW(proxy.release(), RuntimeError);
}

TEST_F(SharedLockTest, AClientThatWaitsGetsTheLockThatTheProgramReleases) {
  lock_.acquire();
  std::thread client([&] { EXPECT_TRUE(get<LockProxy>("lock").acquire(20s)); });
  std::this_thread::sleep_for(150ms);  // longer than one slice of its wait, as a rule

  lock_.release();
  client.join();

  EXPECT_TRUE(lock_.locked());
}

TEST_F(SharedLockTest, AnRLockBelongsToAThreadOfAClientWhicheverProxyItUses) {
  EXPECT_TRUE(get<RLockProxy>("rlock").acquire());
  EXPECT_TRUE(get<RLockProxy>("rlock").acquire());
  EXPECT_FALSE(rlock_.acquire(false));
  std::thread([&] {
    auto proxy = get<RLockProxy>("rlock");
    EXPECT_FALSE(proxy.acquire(false));
    EXPECT_THROW(proxy.release(), RuntimeError);
  }).join();

  get<RLockProxy>("rlock").release();
  EXPECT_FALSE(rlock_.acquire(false));
  get<RLockProxy>("rlock").release();

  EXPECT_TRUE(rlock_.acquire(false));
  EXPECT_FALSE(get<RLockProxy>("rlock").acquire(false));
  rlock_.release();
}

TEST_F(SharedLockTest, TheProgramIsToldOfAKilledClientThatHeldALock) {
  auto client = client_that([this] { get<LockProxy>("lock").acquire(); });

  client.kill();

  expect_told_of(lock_, client);
  expect_told_of(get<LockProxy>("lock"), client);
  get<LockProxy>("lock").make_consistent();
  EXPECT_TRUE(lock_.acquire(false));
}

TEST_F(SharedLockTest, TheProgramIsToldOfAKilledClientThatHeldAnRLockTwice) {
  auto client = client_that([this] {
    get<RLockProxy>("rlock").acquire();
    get<RLockProxy>("rlock").acquire();
  });

  client.kill();

  expect_told_of(rlock_, client);
  rlock_.make_consistent();
  EXPECT_TRUE(get<RLockProxy>("rlock").acquire(20s));
}

TEST_F(SharedLockTest, AClientIsToldOfAKilledProcessOfTheProgramThatHeldALock) {
  auto client = client_that([this] { lock_.acquire(); });

  client.kill();

  expect_told_of(get<LockProxy>("lock"), client);
  lock_.make_consistent();
  EXPECT_TRUE(get<LockProxy>("lock").acquire(20s));
}

TEST_F(SharedLockTest, AKilledClientThatHasReleasedTheLockTakesNothingWithIt) {
  auto client = client_that([this] {
    auto proxy = get<LockProxy>("lock");
    proxy.acquire();
    proxy.release();
  });
  lock_.acquire();

  client.kill();
  client.join();
  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() <= 1; }));

  lock_.release();
  EXPECT_TRUE(get<LockProxy>("lock").acquire(20s));
}

TEST_F(SharedLockTest, ALockThatWasMadeToRecoverIsTheNextOnesAfterAKilledClient) {
  RLock recovering{recover};
  SyncManager manager;
  manager.register_callable("recovering", [recovering] { return recovering; });
  manager.start();
  auto client = client_that([&] { manager.call<RLockProxy>("recovering").acquire(); });

  client.kill();

  EXPECT_TRUE(recovering.acquire(20s));
  recovering.release();
  EXPECT_TRUE(manager.call<RLockProxy>("recovering").acquire(20s));
}

TEST_F(SharedLockTest, PermitsOfASemaphoreAreSignalsBetweenProgramAndClients) {
  auto proxy = get<SemaphoreProxy>("semaphore");
  EXPECT_TRUE(proxy.acquire());
  EXPECT_FALSE(semaphore_.acquire(false));

  semaphore_.release(2);
  EXPECT_TRUE(proxy.acquire_many(2, 20s));
  proxy.release();

  EXPECT_TRUE(semaphore_.acquire(false));
  EXPECT_EQ(proxy.get_value(), 0);
  EXPECT_TRUE(proxy.locked());
}

TEST_F(SharedLockTest, PermitsOfABoundedSemaphoreComeBackFromAKilledClient) {
  auto client = client_that([this] { get<BoundedSemaphoreProxy>("bounded").acquire_many(3); });
  EXPECT_FALSE(bounded_.acquire(false));
  bounded_.release();  // on the account of who took
  EXPECT_TRUE(get<BoundedSemaphoreProxy>("bounded").acquire(20s));

  client.kill();

  EXPECT_TRUE(bounded_.acquire_many(2, 20s));
  EXPECT_EQ(bounded_.get_value(), 0);
  EXPECT_THROW(get<BoundedSemaphoreProxy>("bounded").release(4), ValueError);
}

TEST_F(SharedLockTest, AnEventWakesProgramAndClients) {
  auto proxy = get<EventProxy>("event");
  EXPECT_FALSE(proxy.wait(10ms));
  std::thread client([&] { EXPECT_TRUE(proxy.wait(20s)); });
  event_.set();
  client.join();
  EXPECT_TRUE(proxy.is_set());

  proxy.clear();
  EXPECT_FALSE(event_.is_set());
  std::thread program([&] { EXPECT_TRUE(event_.wait(20s)); });
  proxy.set();
  program.join();
}

TEST_F(SharedLockTest, AClientSeesAnEventThatIsClearedAtOnce) {
  std::thread client([&] { EXPECT_TRUE(get<EventProxy>("event").wait()); });
  std::atomic<bool> stop{false};
  std::thread flash([&] {
    while (!stop) {
      event_.set();
      event_.clear();
      std::this_thread::sleep_for(1ms);
    }
  });

  client.join();

  stop = true;
  flash.join();
}

TEST_F(SharedLockTest, AClientIsNotifiedByTheProgram) {
  std::thread client([&] {
    auto proxy = get<ConditionProxy>("condition");
    const std::scoped_lock guard(proxy);
    ready_.set();
    EXPECT_TRUE(proxy.wait(20s));
    EXPECT_FALSE(proxy.wait(10ms));
  });
  ready_.wait();
  {
    const std::scoped_lock guard(condition_);
    condition_.notify();
  }
  client.join();
}

TEST_F(SharedLockTest, TheProgramIsNotifiedByAClient) {
  const std::scoped_lock guard(condition_);
  std::thread client([&] {
    auto proxy = get<ConditionProxy>("condition");
    const std::scoped_lock guard_there(proxy);
    proxy.notify_all();
  });

  EXPECT_TRUE(condition_.wait(20s));

  client.join();
}

TEST_F(SharedLockTest, ANotificationIsForTheProgramIfTheClientThatWaitedWasKilled) {
  auto client = client_that([this] {
    auto proxy = get<ConditionProxy>("condition");
    proxy.acquire();
    std::thread([&] {
      auto same = get<ConditionProxy>("condition");
      const std::scoped_lock guard(same);  // it is free only when the first waits
      ready_.set();
    }).detach();
    proxy.wait();
  });
  std::thread waiter;
  Event waits;
  {
    waiter = std::thread([&] {
      const std::scoped_lock guard(condition_);
      waits.set();
      EXPECT_TRUE(condition_.wait(20s));
    });
    waits.wait();
    const std::scoped_lock guard(condition_);
    condition_.notify();
    client.kill();
    client.join();
  }
  waiter.join();
}

TEST_F(SharedLockTest, WhoWaitsForANotificationIsToldOfAKilledClientThatHeldTheLock) {
  Process client([this] {
    auto proxy = get<ConditionProxy>("condition of the lock");
    proxy.acquire();
    ready_.set();
    for (;;) ::pause();
  });
  lock_.acquire();
  client.start();
  std::thread killer([&] {
    ready_.wait();
    client.kill();
  });

  EXPECT_THROW(of_lock_.wait(20s), OwnerDiedError);

  killer.join();
  lock_.make_consistent();
  EXPECT_TRUE(get<LockProxy>("lock").acquire(20s));
}

TEST_F(SharedLockTest, AConditionsLockIsTheOneThatIsReachedByItself) {
  auto lock = get<LockProxy>("lock");
  auto condition = get<ConditionProxy>("condition of the lock");

  EXPECT_THROW(condition.notify(), RuntimeError);
  lock.acquire();
  EXPECT_FALSE(condition.wait(10ms));
  condition.notify();
  condition.release();

  EXPECT_FALSE(lock_.locked());
}

TEST_F(SharedLockTest, ABarrierLetsProgramAndClientGoTogether) {
  std::array<int, 2> places{-1, -1};
  std::thread client([&] { places[0] = get<BarrierProxy>("barrier").wait(20s); });

  places[1] = barrier_.wait(20s);

  client.join();
  EXPECT_EQ(places[0] + places[1], 1);
  EXPECT_EQ(get<BarrierProxy>("barrier").parties(), 2);
}

TEST_F(SharedLockTest, ABarrierBreaksWhenAClientThatWaitsIsKilled) {
  Process client([this] { get<BarrierProxy>("barrier").wait(); });
  client.start();
  EXPECT_TRUE(eventually([&] { return barrier_.n_waiting() == 1; }));

  client.kill();

  EXPECT_TRUE(eventually([&] { return barrier_.broken(); }));
  EXPECT_THROW(get<BarrierProxy>("barrier").wait(), BrokenBarrierError);
}

TEST_F(SharedLockTest, TheServerRunsTheActionOfABarrierWhoseLastPartyIsAClient) {
  Event acted;
  Barrier barrier(2, [acted]() mutable { acted.set(); });
  SyncManager manager;
  manager.register_callable("barrier", [barrier] { return barrier; });
  manager.start();
  std::thread program([&] { barrier.wait(20s); });
  EXPECT_TRUE(eventually([&] { return barrier.n_waiting() == 1; }));

  manager.call<BarrierProxy>("barrier").wait(20s);

  program.join();
  EXPECT_TRUE(acted.is_set());
}

TEST_F(SharedLockTest, TheServerEndsWhileClientsWaitForTheProgram) {
  lock_.acquire();
  std::thread waits_for_lock([&] { EXPECT_THROW(get<LockProxy>("lock").acquire(), EOFError); });
  std::thread waits_in_barrier(
      [&] { EXPECT_THROW(get<BarrierProxy>("barrier").wait(), EOFError); });
  std::thread waits_for_event([&] { EXPECT_THROW(get<EventProxy>("event").wait(), EOFError); });
  EXPECT_TRUE(eventually([&] { return barrier_.n_waiting() == 1; }));
  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() >= 4; }));

  manager_.shutdown();

  waits_for_lock.join();
  waits_in_barrier.join();
  waits_for_event.join();
  EXPECT_TRUE(barrier_.broken());
}

TEST_F(SharedLockTest, AFactoryOfLocksLeavesNothingBehind) {
  SyncManager manager;
  manager.register_callable("Lock", [] { return Lock(); });
  manager.start();
  for (int i = 0; i < 1000; ++i) {
    auto proxy = manager.call<LockProxy>("Lock");
    EXPECT_TRUE(proxy.acquire(false));
    proxy.release();
  }
  EXPECT_TRUE(eventually([&] { return manager.number_of_objects() <= 1; }));
}

}  // namespace
}  // namespace multiprocessing
