// SPDX-License-Identifier: BSL-1.0
// Every operation of every primitive, killed at every instruction: nobody else hangs, no permit,
// no notification and no memory is lost. (In the short form at some 200 instructions of each.)
#include <csignal>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "memory/identity.hpp"
#include "step_killer.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;
namespace memory = multiprocessing::memory;

constexpr auto kSoon = 2s;  // what is not a hang

class KillTest : public SyncTest {
 protected:
  // A helper that runs beside the victim; ends with the test, or by itself.
  void start_beside(std::function<void()> work) {
    beside_.emplace([work = std::move(work)] { work(); });
  }
  void expect_beside_ends() {
    EXPECT_TRUE(eventually([this] { return beside_->ended(); })) << "the other process hangs";
    if (beside_->ended()) {
      EXPECT_EQ(beside_->wait(), 0);
    }
    beside_.reset();
  }

  // Whoever held the lock, after a repair at the latest everybody can use it again.
  template <class L> static void expect_usable(L& lock) {
    try {
      EXPECT_TRUE(lock.acquire(kSoon)) << "the lock hangs";
    } catch (const mp::OwnerDiedError& error) {
      EXPECT_GT(error.pid(), 0);
      EXPECT_THROW(lock.acquire(), mp::OwnerDiedError);
      lock.make_consistent();
      EXPECT_TRUE(lock.acquire(kSoon)) << "the lock hangs after its repair";
    }
    lock.release();
    EXPECT_FALSE(lock.locked());
  }

  std::optional<Child> beside_;
  // How far the victim and the helper have come; 0 before each kill.
  std::atomic<int>& stage_ =
      *::new (memory::allocate(sizeof(std::atomic<int>))) std::atomic<int>(0);
  ~KillTest() override { memory::deallocate(&stage_); }

  void reach(int stage) { stage_ = stage; }
  void await(int stage) {
    while (stage_ < stage) std::this_thread::yield();
  }
};

void attach() { memory::self(); }

TEST_F(KillTest, LockAcquireAndRelease) {
  mp::Lock lock;
  const auto report = kill_at_every_step({
      .approach = attach,
      .act =
          [&] {
            lock.acquire();
            lock.release();
          },
      .check = [&] { expect_usable(lock); },
  });
  EXPECT_FALSE(report.blocked);
}

TEST_F(KillTest, LockAcquireAsTheFirstUseInAProcess) {
  mp::Lock lock;
  kill_at_every_step({
      .act =
          [&] {
            lock.acquire();
            lock.release();
          },
      .check = [&] { expect_usable(lock); },
  });
}

TEST_F(KillTest, RLockAcquireAndReleaseTwice) {
  mp::RLock lock;
  kill_at_every_step({
      .approach = attach,
      .act =
          [&] {
            const std::scoped_lock first(lock);
            const std::scoped_lock second(lock);
          },
      .check = [&] { expect_usable(lock); },
  });
}

TEST_F(KillTest, LockAcquireThatWaits) {
  mp::Lock lock;
  const auto report = kill_at_every_step({
      .arrange = [&] { lock.acquire(); },
      .approach = attach,
      .act = [&] { lock.acquire(); },
      .check =
          [&] {
            lock.release();
            expect_usable(lock);
          },
  });
  EXPECT_TRUE(report.blocked);
}

TEST_F(KillTest, LockReleaseWhileAnotherWaits) {
  mp::Lock lock;
  kill_at_every_step({
      .arrange =
          [&] {
            reach(0);
            start_beside([&] {
              await(1);
              reach(2);
              try {
                lock.acquire();
              } catch (const mp::OwnerDiedError&) {
                lock.make_consistent();
                lock.acquire();
              }
              lock.release();
            });
          },
      .approach =
          [&] {
            lock.acquire();
            reach(1);
            await(2);
            std::this_thread::sleep_for(2ms);
          },
      .act = [&] { lock.release(); },
      .check =
          [&] {
            expect_beside_ends();
            expect_usable(lock);
          },
  });
}

TEST_F(KillTest, LockAcquireAfterADeath) {
  mp::Lock lock;
  kill_at_every_step({
      .arrange = [&] { in_child([&] { lock.acquire(); }); },
      .approach = attach,
      .act =
          [&] {
            try {
              lock.acquire();
            } catch (const mp::OwnerDiedError&) {
            }
          },
      .check =
          [&] {
            EXPECT_THROW(lock.acquire(kSoon), mp::OwnerDiedError);
            expect_usable(lock);
          },
  });
}

TEST_F(KillTest, LockMakeConsistent) {
  mp::Lock lock;
  kill_at_every_step({
      .arrange =
          [&] {
            in_child([&] { lock.acquire(); });
            EXPECT_THROW(lock.acquire(), mp::OwnerDiedError);
          },
      .approach = attach,
      .act = [&] { lock.make_consistent([] {}); },
      .check = [&] { expect_usable(lock); },
  });
}

TEST_F(KillTest, RecoveringRLockTakenOverAfterADeath) {
  mp::RLock lock(mp::recover);
  kill_at_every_step({
      .arrange = [&] { in_child([&] { lock.acquire(); }); },
      .approach = attach,
      .act =
          [&] {
            lock.acquire();
            lock.release();
          },
      .check =
          [&] {
            EXPECT_TRUE(lock.acquire(kSoon));
            lock.release();
            EXPECT_FALSE(lock.locked());
          },
  });
}

TEST_F(KillTest, SemaphoreAcquireAndRelease) {
  mp::Semaphore semaphore(1);
  kill_at_every_step({
      .approach = attach,
      .act =
          [&] {
            semaphore.acquire();
            semaphore.release();
          },
      .check =
          [&] {
            // What a dead process took is gone, and no more than that.
            if (semaphore.get_value() == 0) semaphore.release();
            EXPECT_TRUE(semaphore.acquire(kSoon));
            EXPECT_FALSE(semaphore.acquire(false));
            semaphore.release();
          },
  });
}

TEST_F(KillTest, SemaphoreAcquireThatWaits) {
  mp::Semaphore semaphore(0);
  kill_at_every_step({
      .approach = attach,
      .act = [&] { semaphore.acquire_many(2); },
      .check =
          [&] {
            EXPECT_EQ(semaphore.get_value(), 0);
            semaphore.release();
            EXPECT_TRUE(semaphore.acquire(kSoon));
          },
  });
}

TEST_F(KillTest, SemaphoreReleaseOfTwoWhileTwoWait) {
  mp::Semaphore semaphore(0);
  kill_at_every_step({
      .arrange =
          [&] {
            start_beside([&] {
              std::thread other([&] { semaphore.acquire(); });
              semaphore.acquire();
              other.join();
            });
          },
      .approach =
          [] {
            attach();
            std::this_thread::sleep_for(2ms);
          },
      .act = [&] { semaphore.release(2); },
      .check =
          [&] {
            semaphore.release(2);
            expect_beside_ends();
            // The victim gave both or none.
            const int left = semaphore.get_value();
            EXPECT_TRUE(left == 0 || left == 2) << left;
            while (semaphore.acquire(false)) {
            }
          },
  });
}

class BoundedKillTest : public KillTest {
 protected:
  static constexpr int kBound = 3;
  mp::BoundedSemaphore semaphore_{kBound};

  void expect_all_there() {
    EXPECT_TRUE(semaphore_.acquire_many(kBound, kSoon)) << "a permit is lost";
    EXPECT_FALSE(semaphore_.acquire(false)) << "a permit too many";
    semaphore_.release(kBound);
    EXPECT_THROW(semaphore_.release(), mp::ValueError);
  }
};

TEST_F(BoundedKillTest, AcquireAndRelease) {
  kill_at_every_step({
      .approach = attach,
      .act =
          [&] {
            semaphore_.acquire();
            semaphore_.acquire_many(2);
            semaphore_.release();
            semaphore_.release(2);
          },
      .check = [&] { expect_all_there(); },
  });
}

TEST_F(BoundedKillTest, AcquireThatWaits) {
  kill_at_every_step({
      .arrange = [&] { semaphore_.acquire_many(2); },
      .approach = attach,
      .act = [&] { semaphore_.acquire_many(2); },
      .check =
          [&] {
            semaphore_.release(2);
            expect_all_there();
          },
  });
}

TEST_F(BoundedKillTest, AcquireOfWhatADeadHolderHad) {
  kill_at_every_step({
      .arrange =
          [&] {
            in_child([&] {
              semaphore_.acquire_many(3);
              ::raise(SIGKILL);
            });
          },
      .approach = attach,
      .act = [&] { semaphore_.acquire(); },
      .check = [&] { expect_all_there(); },
  });
}

TEST_F(BoundedKillTest, ReleaseOfWhatAnotherTook) {
  kill_at_every_step({
      .arrange = [&] { semaphore_.acquire_many(2); },
      .approach = attach,
      .act = [&] { semaphore_.release(2); },
      .check =
          [&] {
            const int value = semaphore_.get_value();
            EXPECT_TRUE(value == 1 || value == 3) << value;
            if (value == 1) semaphore_.release(2);
            expect_all_there();
          },
  });
}

TEST_F(BoundedKillTest, ReleaseWhileAnotherWaits) {
  kill_at_every_step({
      .arrange =
          [&] {
            reach(0);
            start_beside([&] {
              await(1);
              reach(2);
              semaphore_.acquire_many(3);
            });
          },
      .approach =
          [&] {
            semaphore_.acquire_many(3);
            reach(1);
            await(2);
            std::this_thread::sleep_for(2ms);
          },
      .act = [&] { semaphore_.release(3); },
      .check =
          [&] {
            expect_beside_ends();
            expect_all_there();
          },
  });
}

class EventKillTest : public KillTest {
 protected:
  mp::Event event_;
};

TEST_F(EventKillTest, SetWhileAnotherWaits) {
  kill_at_every_step({
      .arrange =
          [&] {
            event_.clear();
            start_beside([&] { event_.wait(); });
          },
      .approach = [] { std::this_thread::sleep_for(2ms); },
      .act = [&] { event_.set(); },
      .check =
          [&] {
            if (!event_.is_set()) event_.set();
            expect_beside_ends();
          },
  });
}

TEST_F(EventKillTest, Wait) {
  const auto report = kill_at_every_step({
      .act = [&] { event_.wait(); },
      .check =
          [&] {
            EXPECT_FALSE(event_.is_set());
            start_beside([&] { event_.wait(); });
            event_.set();
            expect_beside_ends();
            event_.clear();
          },
  });
  EXPECT_TRUE(report.blocked);
}

class ConditionKillTest : public KillTest {
 protected:
  struct Counts {
    std::atomic<int> waiting;
    std::atomic<int> woken;
  };
  mp::Condition condition_;
  Counts& counts_ = *::new (memory::allocate(sizeof(Counts))) Counts{};
  ~ConditionKillTest() override { memory::deallocate(&counts_); }

  void acquire_repaired() {
    try {
      EXPECT_TRUE(condition_.acquire(kSoon)) << "the lock hangs";
    } catch (const mp::OwnerDiedError&) {
      condition_.make_consistent();
      EXPECT_TRUE(condition_.acquire(kSoon)) << "the lock hangs after its repair";
    }
  }
  void notify(int n) {
    acquire_repaired();
    condition_.notify(n);
    condition_.release();
  }
  void wait_once() {
    acquire_repaired();
    ++counts_.waiting;
    try {
      if (condition_.wait()) ++counts_.woken;
      condition_.release();
    } catch (const mp::OwnerDiedError&) {
      // Woken all the same, as the holder of the lock died.
      ++counts_.woken;
    }
  }
  void start_waiter_beside() {
    counts_.waiting = 0;
    counts_.woken = 0;
    start_beside([&] { wait_once(); });
    EXPECT_TRUE(eventually([&] { return counts_.waiting == 1; }));
    acquire_repaired();
    condition_.release();
  }
};

TEST_F(ConditionKillTest, WaitThenNotificationOfAnother) {
  const auto report = kill_at_every_step({
      .approach = attach,
      .act =
          [&] {
            condition_.acquire();
            condition_.wait();
            condition_.release();
          },
      .check =
          [&] {
            start_waiter_beside();
            notify(1);
            expect_beside_ends();
          },
  });
  EXPECT_TRUE(report.blocked);
}

TEST_F(ConditionKillTest, NotifyWhileAnotherWaits) {
  kill_at_every_step({
      .arrange = [&] { start_waiter_beside(); },
      .approach = attach,
      .act =
          [&] {
            condition_.acquire();
            condition_.notify();
            condition_.release();
          },
      .check =
          [&] {
            notify(1);
            expect_beside_ends();
          },
  });
}

TEST_F(ConditionKillTest, AWaiterThatIsNotifiedWhileAnotherWaits) {
  std::optional<Child> notifier;
  kill_at_every_step({
      .arrange =
          [&] {
            counts_.waiting = 0;
            counts_.woken = 0;
            reach(0);
            start_beside([&] {
              await(1);
              wait_once();
            });
            // Both count while they hold the lock: who gets it after that finds
            // both waiting.
            notifier.emplace([&] {
              if (eventually([&] { return counts_.waiting == 2; })) notify(1);
            });
          },
      .approach =
          [&] {
            condition_.acquire();
            ++counts_.waiting;
            reach(1);
          },
      .act =
          [&] {
            if (condition_.wait()) ++counts_.woken;
            condition_.release();
          },
      .check =
          [&] {
            EXPECT_EQ(notifier->wait(), 0);
            // A victim that died with the lock may have returned from its wait();
            // else the one notification is with the other.
            try {
              condition_.acquire();
              condition_.release();
              EXPECT_TRUE(eventually([&] { return counts_.woken == 1; })) << "it got lost";
            } catch (const mp::OwnerDiedError&) {
              condition_.make_consistent();
            }
            if (!eventually([&] { return beside_->ended(); }, 100ms)) notify(1);
            expect_beside_ends();
          },
  });
}

TEST_F(ConditionKillTest, TheWaiterForWhomTheTableGrows) {
  constexpr int kRoom = 9;  // in the condition itself
  std::optional<mp::Condition> condition;
  kill_at_every_step({
      .arrange =
          [&] {
            condition.emplace(mp::Lock());
            counts_.waiting = 0;
            start_beside([&] {
              std::vector<std::thread> threads;
              for (int i = 0; i < kRoom; ++i) {
                threads.emplace_back([&] {
                  try {
                    const std::scoped_lock guard(*condition);
                    ++counts_.waiting;
                    condition->wait();
                  } catch (const mp::OwnerDiedError&) {
                    // The victim died with the lock, and the check has not repaired it yet.
                  }
                });
              }
              for (auto& thread : threads) thread.join();
            });
            EXPECT_TRUE(eventually([&] { return counts_.waiting == kRoom; }));
          },
      .approach = [&] { condition->acquire(); },
      .act = [&] { condition->wait(0s); },
      .check =
          [&] {
            condition->make_consistent();
            condition->acquire(kSoon);
            EXPECT_FALSE(condition->wait(0s));
            condition->notify_all();
            condition->release();
            expect_beside_ends();
          },
  });
}

class BarrierKillTest : public KillTest {
 protected:
  static int outcome(mp::Barrier& barrier, mp::Timeout timeout) {
    try {
      barrier.wait(timeout);
      return 0;
    } catch (const mp::BrokenBarrierError&) {
      return 1;
    }
  }
  // Starts another party that waits, for a short time: once more where this process had no
  // processor for all of it.
  void start_party(mp::Barrier& barrier) {
    bool waits = false;
    do {
      barrier.reset();
      start_beside([&] { outcome(barrier, 30ms); });
      EXPECT_TRUE(eventually([&] {
        waits = barrier.n_waiting() == 1;
        return waits || beside_->ended();
      }));
      if (!waits) expect_beside_ends();
    } while (!waits && !HasFailure());
  }
  static void expect_usable(mp::Barrier& barrier) {
    barrier.reset();
    Child other([&] { return outcome(barrier, kSoon); });
    EXPECT_EQ(outcome(barrier, kSoon), 0);
    EXPECT_EQ(other.wait(), 0);
  }
};

TEST_F(BarrierKillTest, TheFirstPartysWait) {
  mp::Barrier barrier(2);
  const auto report = kill_at_every_step({
      .approach = attach,
      .act = [&] { barrier.wait(); },
      .check =
          [&] {
            const auto start = Clock::now();
            EXPECT_EQ(outcome(barrier, 10ms), 1);
            EXPECT_LT(since(start), 1s);
            EXPECT_TRUE(barrier.broken());
            expect_usable(barrier);
          },
  });
  EXPECT_TRUE(report.blocked);
}

TEST_F(BarrierKillTest, TheLastPartysWait) {
  mp::Barrier barrier(2, [] {});
  kill_at_every_step({
      .arrange = [&] { start_party(barrier); },
      .approach = attach,
      .act = [&] { barrier.wait(); },
      .check =
          [&] {
            expect_beside_ends();
            expect_usable(barrier);
          },
  });
}

TEST_F(BarrierKillTest, ResetAndAbortWhileAnotherWaits) {
  mp::Barrier barrier(2);
  kill_at_every_step({
      .arrange = [&] { start_party(barrier); },
      .approach = attach,
      .act =
          [&] {
            barrier.reset();
            barrier.abort();
          },
      .check =
          [&] {
            expect_beside_ends();
            expect_usable(barrier);
          },
  });
}

TEST_F(KillTest, TheMakingAndUnmakingOfEachKind) {
  kill_at_every_step({
      .approach = attach,
      .act =
          [&] {
            mp::Lock lock;
            mp::Condition condition(lock);
            mp::BoundedSemaphore semaphore(3);
            mp::Barrier barrier(2);
          },
      .check = [] {},
  });
}

}  // namespace
