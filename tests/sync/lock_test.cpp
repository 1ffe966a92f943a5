// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <csignal>
#include <mutex>
#include <set>
#include <thread>
#include <type_traits>
#include <vector>

#include "long_form.hpp"
#include "signal_storm.hpp"
#include "sync/thread_name.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;

class LockTest : public SyncTest {};
class RLockTest : public SyncTest {};

template <class T, class... Args>
concept CanAcquire = requires(T lock, Args... args) {
  lock.acquire(args...);
};

template <class T> constexpr bool takes_bools_and_durations_but_no_numbers() {
  return CanAcquire<T> && CanAcquire<T, bool> && CanAcquire<T, bool, std::chrono::seconds> &&
         CanAcquire<T, std::chrono::duration<double>> && CanAcquire<T, mp::Forever> &&
         !CanAcquire<T, int> && !CanAcquire<T, double> && !CanAcquire<T, bool, int> &&
         !CanAcquire<T, int, std::chrono::seconds> && !CanAcquire<T, const char*> &&
         !CanAcquire<T, std::nullptr_t>;
}
static_assert(takes_bools_and_durations_but_no_numbers<mp::Lock>());
static_assert(takes_bools_and_durations_but_no_numbers<mp::RLock>());
static_assert(takes_bools_and_durations_but_no_numbers<mp::Semaphore>());
static_assert(takes_bools_and_durations_but_no_numbers<mp::BoundedSemaphore>());
static_assert(takes_bools_and_durations_but_no_numbers<mp::Condition>());

template <class L> int acquire_elsewhere(L lock) {
  return in_child([&] { return lock.acquire(false); });
}
constexpr int kGotIt = 0;
constexpr int kGotItNot = 1;

TEST_F(LockTest, AnAcquiredLockIsNotAcquiredASecondTime) {
  mp::Lock lock;

  EXPECT_TRUE(lock.acquire());
  EXPECT_FALSE(lock.acquire(false));

  lock.release();
  EXPECT_TRUE(lock.acquire(false));
  lock.release();
}

TEST_F(LockTest, ReleaseOfAnUnlockedLockIsAValueError) {
  mp::Lock lock;

  EXPECT_THROW(lock.release(), mp::ValueError);
  lock.acquire();
  lock.release();
  EXPECT_THROW(lock.release(), mp::ValueError);
}

TEST_F(LockTest, LockedSaysWhetherAnybodyHoldsIt) {
  mp::Lock lock;

  EXPECT_FALSE(lock.locked());
  lock.acquire();
  EXPECT_TRUE(lock.locked());
  EXPECT_EQ(in_child([&] { return lock.locked(); }), 0);
  lock.release();
  EXPECT_FALSE(lock.locked());
}

TEST_F(LockTest, IsSharedWithAForkedChild) {
  mp::Lock lock;
  lock.acquire();

  EXPECT_EQ(acquire_elsewhere(lock), kGotItNot);
}

TEST_F(LockTest, AnyProcessMayReleaseIt) {
  mp::Lock lock;
  lock.acquire();

  EXPECT_EQ(in_child([&] { lock.release(); }), 0);

  EXPECT_TRUE(lock.acquire(false));
  lock.release();
}

TEST_F(LockTest, AnyThreadMayReleaseIt) {
  mp::Lock lock;
  lock.acquire();

  std::thread([&] { lock.release(); }).join();

  EXPECT_FALSE(lock.locked());
}

TEST_F(LockTest, AReleasedLockHasNoHolderWhoseDeathMatters) {
  mp::Lock lock;
  Child taker([&] {
    lock.acquire();
    ::pause();
  });
  ASSERT_TRUE(eventually([&] { return lock.locked(); }));

  lock.release();
  taker.kill();

  EXPECT_TRUE(lock.acquire());
  lock.release();
}

TEST_F(LockTest, EveryCopyNamesTheSameLock) {
  mp::Lock lock;
  mp::Lock copy = lock;
  mp::Lock other;

  lock.acquire();

  EXPECT_FALSE(copy.acquire(false));
  EXPECT_TRUE(copy == lock);
  EXPECT_FALSE(other == lock);
  copy.release();
}

TEST_F(LockTest, AHandleThatWasMovedFromSaysSo) {
  mp::Lock lock;
  const mp::Lock moved_to = std::move(lock);

  EXPECT_THROW(lock.acquire(), mp::ValueError);  // NOLINT(bugprone-use-after-move): the point
}

TEST_F(LockTest, ATimeoutEndsTheWaitNotEarlierThanAsked) {
  mp::Lock lock;
  lock.acquire();
  const auto start = Clock::now();

  EXPECT_FALSE(lock.acquire(50ms));

  EXPECT_GE(since(start), 50ms);
  EXPECT_FALSE(lock.acquire(true, 1ms));
  EXPECT_FALSE(lock.acquire(-1s));
  EXPECT_FALSE(lock.acquire(0s));
  EXPECT_FALSE(lock.acquire(false, 1h));
  lock.release();
}

TEST_F(LockTest, AWaiterGetsItWhenItIsReleased) {
  mp::Lock lock;
  lock.acquire();
  Child waiter([&] {
    lock.acquire();
    lock.release();
  });
  std::this_thread::sleep_for(20ms);
  EXPECT_FALSE(waiter.ended());

  lock.release();

  EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(LockTest, SignalsDoNotDisturbAWait) {
  mp::Lock lock;
  lock.acquire();
  Child waiter([&] {
    const SignalStorm storm;
    const int signals = SignalStorm::count();
    const auto start = Clock::now();
    const bool timed_out = !lock.acquire(100ms) && since(start) >= 100ms;
    return timed_out && SignalStorm::count() > signals && lock.acquire();
  });
  std::this_thread::sleep_for(150ms);

  lock.release();

  EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(LockTest, IsLockableAsTheStandardLibraryAsks) {
  mp::Lock a;
  mp::RLock b;
  {
    const std::scoped_lock guard(a, b);
    EXPECT_TRUE(a.locked());
    EXPECT_TRUE(b.locked());
  }
  {
    const std::lock_guard guard(a);
    EXPECT_FALSE(a.try_lock());
    EXPECT_FALSE(a.try_lock_for(1ms));
    EXPECT_FALSE(a.try_lock_until(Clock::now() + 1ms));
    EXPECT_FALSE(a.try_lock_until(std::chrono::system_clock::now() - 1h));
  }
  {
    std::unique_lock guard(a, 1s);
    EXPECT_TRUE(guard.owns_lock());
  }
  EXPECT_FALSE(a.locked());
  EXPECT_FALSE(b.locked());
}

template <class L> long count_up_under(L lock) {
  auto* counter = static_cast<long*>(multiprocessing::memory::allocate(sizeof(long)));
  *counter = 0;
  const int times = rounds(20'000, 5'000'000);
  std::vector<Child> children;
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&] {
      std::vector<std::thread> threads;
      for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&] {
          for (int n = 0; n < times; ++n) {
            const std::scoped_lock guard(lock);
            ++*counter;
          }
        });
      }
      for (auto& thread : threads) thread.join();
    });
  }
  for (auto& child : children) child.wait();
  const long missing = 3L * 2 * times - *counter;
  multiprocessing::memory::deallocate(counter);
  return missing;
}

TEST_F(LockTest, LetsOneThreadOfAllProcessesInAtATime) { EXPECT_EQ(count_up_under(mp::Lock()), 0); }

TEST_F(RLockTest, LetsOneThreadOfAllProcessesInAtATime) {
  EXPECT_EQ(count_up_under(mp::RLock()), 0);
}

// An RLock that compared the process and the thread's number one after the other let a thread in
// when the one changed between the two looks.
TEST_F(RLockTest, KnowsItsHolderByOneWordThatDiffersInEveryThreadOfEveryProcess) {
  auto* names =
      static_cast<std::uint64_t*>(multiprocessing::memory::allocate(4 * sizeof(std::uint64_t)));
  const auto note_names_at = [&](int at) {
    const auto me = multiprocessing::memory::self();
    names[at] = multiprocessing::sync::thread_name(me);
    std::thread([&] { names[at + 1] = multiprocessing::sync::thread_name(me); }).join();
  };

  EXPECT_EQ(in_child([&] { note_names_at(0); }), 0);
  EXPECT_EQ(in_child([&] { note_names_at(2); }), 0);

  EXPECT_EQ(std::set<std::uint64_t>(names, names + 4).size(), 4U);
  EXPECT_EQ(std::count(names, names + 4, 0U), 0);
  multiprocessing::memory::deallocate(names);
}

TEST_F(RLockTest, IsReleasedAsOftenAsItWasAcquired) {
  mp::RLock lock;

  for (int i = 0; i < 3; ++i) EXPECT_TRUE(lock.acquire());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(acquire_elsewhere(lock), kGotItNot);
    lock.release();
  }

  EXPECT_THROW(lock.release(), mp::AssertionError);
  EXPECT_EQ(in_child([&] { return lock.acquire(false) && (lock.release(), true); }), kGotIt);
}

TEST_F(RLockTest, BelongsToOneThread) {
  mp::RLock lock;
  lock.acquire();

  std::thread([&] {
    EXPECT_FALSE(lock.acquire(false));
    EXPECT_THROW(lock.release(), mp::AssertionError);
  }).join();

  EXPECT_TRUE(lock.acquire(false));
  lock.release();
  lock.release();
}

TEST_F(RLockTest, AForkedChildIsNotItsOwner) {
  mp::RLock lock;
  lock.acquire();

  const int code = in_child([&] {
    if (lock.acquire(10ms)) return 2;
    try {
      lock.release();
    } catch (const mp::AssertionError&) {
      return 0;
    }
    return 3;
  });

  EXPECT_EQ(code, 0);
  lock.release();
}

TEST_F(RLockTest, TimeoutsAndWaitersAreAsWithALock) {
  mp::RLock lock;
  Child holder([&] {
    lock.acquire();
    lock.acquire();
    std::this_thread::sleep_for(100ms);
    lock.release();
    lock.release();
  });
  ASSERT_TRUE(eventually([&] { return lock.locked(); }));

  EXPECT_FALSE(lock.acquire(1ms));
  EXPECT_TRUE(lock.acquire());

  EXPECT_EQ(holder.wait(), 0);
  lock.release();
}

}  // namespace
