// SPDX-License-Identifier: BSL-1.0
// Processes that use a primitive are killed at random moments; one that is not killed uses it too
// and has to get on after every kill.
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "long_form.hpp"
#include "random_killer.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;
namespace memory = multiprocessing::memory;

class ChaosTest : public SyncTest {
 protected:
  struct Shared {
    std::atomic<int> progress;
    std::atomic<int> violations;
    // Equal, but for who holds the lock.
    std::atomic<int> left;
    std::atomic<int> right;
    std::atomic<int> given;
    std::atomic<int> taken;
  };
  Shared& shared_ = *::new (memory::allocate(sizeof(Shared))) Shared{};
  ~ChaosTest() override { memory::deallocate(&shared_); }

  const int kills_ = rounds(200, 2000);

  // `survivor` once, in a process that is not killed; `victim` in three that are.
  void kill_among(std::function<void()> survivor, std::function<void(int)> victim) {
    Child alive([this, survivor = std::move(survivor)] {
      for (;; ++shared_.progress) survivor();
    });
    kill_at_random({.kills = kills_, .processes = 3, .work = std::move(victim), .check = [&] {
                      const int before = shared_.progress;
                      EXPECT_TRUE(eventually([&] { return shared_.progress > before; }))
                          << "the survivor hangs";
                    }});
    EXPECT_FALSE(alive.ended());
    EXPECT_EQ(shared_.violations, 0);
  }

  // One round under a lock; what a dead holder left half done is repaired.
  template <class L> void work_under(L lock) {
    const auto repair = [this] { shared_.right = shared_.left.load(); };
    try {
      const std::scoped_lock guard(lock);
      if (shared_.left != shared_.right) ++shared_.violations;
      ++shared_.left;
      std::this_thread::yield();
      ++shared_.right;
    } catch (const mp::OwnerDiedError&) {
      lock.make_consistent(repair);
    }
  }
};

TEST_F(ChaosTest, LocksLetTheOthersGoOnAndTellOfHalfDoneWork) {
  mp::Lock lock;
  kill_among([&] { work_under(lock); }, [&](int) { work_under(lock); });
}

TEST_F(ChaosTest, RLocksLetTheOthersGoOnAndTellOfHalfDoneWork) {
  mp::RLock lock;
  const auto nested = [&] {
    try {
      const std::scoped_lock guard(lock);
      work_under(lock);
    } catch (const mp::OwnerDiedError&) {
      lock.make_consistent([&] { shared_.right = shared_.left.load(); });
    }
  };
  kill_among(nested, [&](int) { nested(); });
}

TEST_F(ChaosTest, BoundedSemaphoresLoseNoPermit) {
  mp::BoundedSemaphore semaphore(4);
  const auto take_and_give = [&](int permits) {
    semaphore.acquire_many(permits);
    std::this_thread::yield();
    semaphore.release(permits);
  };

  kill_among([&] { take_and_give(1); }, [&](int number) { take_and_give(1 + number); });

  EXPECT_EQ(semaphore.get_value(), 4);
}

TEST_F(ChaosTest, SemaphoresLoseNoMorePermitsThanWereUnderWay) {
  mp::Semaphore semaphore(0);
  kill_among(
      [&] {
        semaphore.release(2);
        ++shared_.given;
        ++shared_.given;
        if (semaphore.acquire(1ms)) ++shared_.taken;
      },
      [&](int number) {
        if (number == 0) {
          std::this_thread::sleep_for(100us);
          semaphore.release();
          ++shared_.given;
        } else if (semaphore.acquire(1ms)) {
          ++shared_.taken;
        }
      });

  EXPECT_NEAR(semaphore.get_value(), shared_.given - shared_.taken, kills_ + 4);
}

TEST_F(ChaosTest, EventsWakeWhoeverIsAlive) {
  mp::Event there;
  mp::Event back;
  kill_among(
      [&] {
        there.set();
        there.clear();
        back.wait(2ms);
      },
      [&](int number) {
        if (number == 0) {
          std::this_thread::sleep_for(100us);
          back.set();
          back.clear();
        } else {
          there.wait();
        }
      });
}

TEST_F(ChaosTest, ConditionsLoseNoNotificationOfTheLiving) {
  // Victims consume tokens that the survivor makes one at a time: a notification that gets lost
  // leaves a token that nobody fetches.
  mp::Condition condition;
  const auto locked = [&](auto work) {
    try {
      const std::scoped_lock guard(condition);
      work();
    } catch (const mp::OwnerDiedError&) {
      condition.make_consistent();
    }
  };
  const auto consume = [&] {
    locked([&] {
      if (condition.wait_for([&] { return shared_.left > 0; }, 1s)) --shared_.left;
    });
  };
  kill_among(
      [&] {
        locked([&] {
          ++shared_.left;
          condition.notify();
        });
        const bool fetched = eventually([&] { return shared_.left == 0; }, 500ms);
        if (!fetched) ++shared_.violations;
      },
      [&](int) { consume(); });
}

TEST_F(ChaosTest, BarriersBreakAndWorkAgain) {
  mp::Barrier barrier(2);
  const auto pass = [&](mp::Timeout timeout) {
    try {
      barrier.wait(timeout);
      ++shared_.given;
    } catch (const mp::BrokenBarrierError&) {
      barrier.reset();
    }
  };

  kill_among([&] { pass(5ms); }, [&](int) { pass(mp::forever); });

  EXPECT_GT(shared_.given, 0);
}

}  // namespace
