// SPDX-License-Identifier: BSL-1.0
// Lock, RLock, Semaphore and BoundedSemaphore.
#include "across_processes.hpp"

namespace multiprocessing::test {
namespace {

using LocksAcross = AcrossProcesses;
BY_EVERY_START_METHOD(LocksAcross);

TEST_P(LocksAcross, ALockKeepsOthersOut) {
  const Lock lock = ctx.Lock();
  const auto count = ctx.RawValue<int>(0);
  expect_good_ends(start_many(
      4,
      [](Lock mine, const RawValue<int>& shared) {
        for (int i = 0; i < 500; ++i) {
          const std::scoped_lock guard(mine);
          const int seen = shared.value();
          if (i % 100 == 0) ::usleep(100);
          shared.value() = seen + 1;
        }
      },
      lock, count));
  EXPECT_EQ(count.value(), 2000);
}

TEST_P(LocksAcross, AnAcquireEndsWithItsTimeOrWithTheRelease) {
  Lock lock = ctx.Lock();
  const Event timed_out = ctx.Event();
  lock.acquire();
  const Process process = start(
      [](Lock mine, Event told) {
        check(mine.locked() && !mine.acquire(false));
        const auto begin = Clock::now();
        check(!mine.acquire(50ms) && since(begin) >= 50ms);
        told.set();
        check(mine.acquire());
        mine.release();
      },
      lock, timed_out);
  EXPECT_TRUE(timed_out.wait(30s));
  lock.release();
  EXPECT_EQ(end_of(process), 0);
  EXPECT_FALSE(lock.locked());
}

TEST_P(LocksAcross, AnotherProcessMayReleaseALockButNoRLock) {
  Lock lock = ctx.Lock();
  RLock rlock = ctx.RLock();
  lock.acquire();
  rlock.acquire();
  EXPECT_EQ(run(
                [](Lock mine, RLock others) {
                  mine.release();
                  check(!others.acquire(false));
                  check(throws<AssertionError>([&] { others.release(); }));
                },
                lock, rlock),
            0);
  EXPECT_FALSE(lock.locked());
  rlock.release();
}

TEST_P(LocksAcross, AnRLockIsFreeAfterAsManyReleasesAsAcquires) {
  RLock lock = ctx.RLock();
  auto [parent, child] = ctx.Pipe();
  const Process process = start(
      [](RLock mine, Connection steps) {
        mine.acquire();
        mine.acquire();
        for (int i = 0; i < 3; ++i) {
          steps.send(i);
          (void)steps.recv<int>();
          if (i < 2) mine.release();
        }
      },
      lock, std::move(child));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(parent.recv<int>(), i);
    const bool free = lock.acquire(false);
    EXPECT_EQ(free, i == 2);
    if (free) lock.release();
    parent.send(0);
  }
  EXPECT_EQ(end_of(process), 0);
}

// Starts a holder and kills it.
template <class Kind, class Start> pid_t die_holding(const Kind& lock, const Start& start) {
  const Event held;
  Process holder = start(
      ProcessOptions{.name = "holder"},
      [](Kind mine, Event told) {
        mine.acquire();
        told.set();
        sleep_for_ever();
      },
      lock, held);
  EXPECT_TRUE(held.wait(30s));
  holder.kill();
  EXPECT_TRUE(holder.join(30s));
  return holder.pid();
}

TEST_P(LocksAcross, AKilledHolderIsNamedUntilSomebodyRepairs) {
  Lock lock = ctx.Lock();
  const pid_t dead = die_holding(lock, [&](auto&&... args) { return start(args...); });
  const auto sees_the_death = [](AnyLock mine, pid_t who) {
    try {
      mine.acquire();
      check(false);
    } catch (const OwnerDiedError& error) {
      check(error.pid() == who && error.name() == "holder");
    }
  };
  sees_the_death(lock, dead);
  EXPECT_EQ(run(sees_the_death, lock, dead), 0);
  EXPECT_EQ(run([](Lock mine) { mine.make_consistent(); }, lock), 0);
  EXPECT_TRUE(lock.acquire(0s));
  lock.release();
}

TEST_P(LocksAcross, AKilledHolderWakesWhoWaits) {
  const RLock lock = ctx.RLock();
  const Semaphore waiting = ctx.Semaphore(0);
  const Event held = ctx.Event();
  Process holder = start(
      [](RLock mine, Event told) {
        mine.acquire();
        told.set();
        sleep_for_ever();
      },
      lock, held);
  EXPECT_TRUE(held.wait(30s));
  const auto waiters = start_many(
      2,
      [](RLock mine, Semaphore told) {
        told.release();
        check(throws<OwnerDiedError>([&] { mine.acquire(); }));
      },
      lock, waiting);
  EXPECT_TRUE(Semaphore(waiting).acquire_many(2, 30s));
  holder.kill();
  expect_good_ends(waiters);
}

TEST_P(LocksAcross, ALockThatRecoversIsTakenOver) {
  Lock lock(recover);
  die_holding(lock, [&](auto&&... args) { return start(args...); });
  EXPECT_EQ(run(
                [](Lock mine) {
                  check(mine.acquire(10s));
                  mine.release();
                },
                lock),
            0);
}

TEST_P(LocksAcross, ASemaphoreLetsAsManyInAsItHasPermits) {
  Semaphore permits = ctx.Semaphore(0);
  Semaphore in = ctx.Semaphore(0);
  const auto processes = start_many(
      3,
      [](Semaphore mine, Semaphore told) {
        mine.acquire();
        told.release();
      },
      permits, in);
  permits.release(2);
  EXPECT_TRUE(in.acquire_many(2, 30s));
  EXPECT_FALSE(in.acquire(50ms));
  EXPECT_EQ(run([](Semaphore mine) { mine.release(); }, permits), 0);
  EXPECT_TRUE(in.acquire(30s));
  expect_good_ends(processes);
  EXPECT_EQ(permits.get_value(), 0);
}

TEST_P(LocksAcross, SeveralPermitsAreTakenAtOnceOrNone) {
  Semaphore permits = ctx.Semaphore(2);
  const Event timed_out = ctx.Event();
  const Process process = start(
      [](Semaphore mine, Event told) {
        check(!mine.acquire_many(3, 20ms) && mine.get_value() == 2);
        told.set();
        check(mine.acquire_many(3, 30s));
      },
      permits, timed_out);
  EXPECT_TRUE(timed_out.wait(30s));
  permits.release();
  EXPECT_EQ(end_of(process), 0);
  EXPECT_EQ(permits.get_value(), 0);
}

TEST_P(LocksAcross, ABoundedSemaphoreGetsADeadHoldersPermitsBack) {
  BoundedSemaphore permits = ctx.BoundedSemaphore(1);
  die_holding(permits, [&](auto&&... args) { return start(args...); });
  EXPECT_EQ(run(
                [](BoundedSemaphore mine) {
                  check(mine.acquire(10s));
                  mine.release();
                  check(throws<ValueError>([&] { mine.release(); }));
                },
                permits),
            0);
  EXPECT_EQ(permits.get_value(), 1);
}

TEST_P(LocksAcross, LocksTravelInMessages) {
  Lock lock = ctx.Lock();
  const auto by_queue = ctx.Queue<Lock>();
  auto [near, far] = ctx.Pipe();
  by_queue.put(lock);
  const Process process = start(
      [](const Queue<Lock>& from, Connection pipe) {
        check(from.get(30s).acquire(10s));
        pipe.send(pipe.recv<Semaphore>().get_value());
        const RLock own;
        pipe.send(own);
      },
      by_queue, std::move(far));
  near.send(Semaphore(7));
  EXPECT_EQ(near.recv<int>(), 7);
  auto made_there = near.recv<RLock>();
  EXPECT_EQ(end_of(process), 0);
  EXPECT_TRUE(made_there.acquire(false)) << "it outlives who made it";
  made_there.release();
  EXPECT_THROW(lock.acquire(), OwnerDiedError) << "its holder has ended";
}

Lock global_lock;

TEST_P(LocksAcross, AGlobalIsTheParentsByForkAndAnotherOneInAFreshImage) {
  global_lock.acquire();
  EXPECT_EQ(run([] { exit(global_lock.locked() ? 3 : 4); }), GetParam() == "fork" ? 3 : 4);
  EXPECT_EQ(run([](const Lock& mine) { exit(mine.locked() ? 3 : 4); }, global_lock), 3);
  global_lock.release();
}

}  // namespace
}  // namespace multiprocessing::test
