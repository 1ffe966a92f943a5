// SPDX-License-Identifier: BSL-1.0
// What becomes of a Lock or an RLock whose holder ended.
#include <gmock/gmock.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "memory/identity.hpp"
#include "os/log.hpp"
#include "shared_word.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;
using testing::HasSubstr;

template <class L> class DeadHolderTest : public SyncTest {
 protected:
  L lock_;

  // A process that holds the lock and then ends, by a signal.
  pid_t kill_a_holder() {
    Child holder([this] {
      multiprocessing::memory::set_own_name("Process-7");
      lock_.acquire();
      ::raise(SIGKILL);
    });
    const pid_t pid = holder.pid();
    EXPECT_EQ(holder.wait(), -SIGKILL);
    return pid;
  }

  static std::optional<mp::OwnerDiedError> error_of(L some_lock) {
    try {
      some_lock.acquire(2s);
    } catch (const mp::OwnerDiedError& error) {
      return error;
    }
    return std::nullopt;
  }

  // The lock works for this process and for others.
  void expect_usable() {
    EXPECT_FALSE(lock_.locked());
    EXPECT_TRUE(lock_.acquire(false));
    lock_.release();
    EXPECT_EQ(in_child([this] { return lock_.acquire(false) && (lock_.release(), true); }), 0);
  }
};

using LockKinds = testing::Types<mp::Lock, mp::RLock>;
TYPED_TEST_SUITE(DeadHolderTest, LockKinds);

TYPED_TEST(DeadHolderTest, TheNextAcquireNamesWhoDied) {
  const pid_t pid = this->kill_a_holder();

  const auto error = this->error_of(this->lock_);

  ASSERT_TRUE(error);
  EXPECT_EQ(error->pid(), pid);
  EXPECT_EQ(error->name(), "Process-7");
  EXPECT_THAT(error->what(),
              testing::AllOf(HasSubstr("Lock"), HasSubstr("Process-7"),
                             HasSubstr(std::to_string(pid)), HasSubstr("make_consistent")));
}

TYPED_TEST(DeadHolderTest, EveryLaterAcquireOfAnyKindInAnyProcessFailsToo) {
  const pid_t pid = this->kill_a_holder();
  TypeParam& lock = this->lock_;

  for (int i = 0; i < 3; ++i) {
    EXPECT_THROW(lock.acquire(), mp::OwnerDiedError);
    EXPECT_THROW(lock.acquire(false), mp::OwnerDiedError);
    EXPECT_THROW(lock.acquire(0s), mp::OwnerDiedError);
    EXPECT_THROW(lock.acquire(true, 1s), mp::OwnerDiedError);
    EXPECT_THROW(static_cast<void>(lock.try_lock()), mp::OwnerDiedError);
    EXPECT_THROW(std::scoped_lock{lock}, mp::OwnerDiedError);
    EXPECT_EQ(in_child([&] {
                const auto error = this->error_of(lock);
                return error && error->pid() == pid && error->name() == "Process-7";
              }),
              0);
  }
  EXPECT_TRUE(lock.locked());
}

TYPED_TEST(DeadHolderTest, AnOrderlyEndWhileHoldingIsADeathToo) {
  TypeParam& lock = this->lock_;
  EXPECT_EQ(in_child([&] { lock.acquire(); }), 0);

  EXPECT_THROW(lock.acquire(), mp::OwnerDiedError);
}

TYPED_TEST(DeadHolderTest, TheNewProgramOfAProcessThatExecutesOneHoldsNothing) {
  TypeParam& lock = this->lock_;
  EXPECT_EQ(in_child([&] {
              lock.acquire();
              ::execl("/bin/true", "true", nullptr);
            }),
            0);

  EXPECT_THROW(lock.acquire(), mp::OwnerDiedError);
}

TYPED_TEST(DeadHolderTest, MakeConsistentFreesTheLock) {
  this->kill_a_holder();
  EXPECT_THROW(this->lock_.acquire(), mp::OwnerDiedError);

  this->lock_.make_consistent();

  this->expect_usable();
}

TYPED_TEST(DeadHolderTest, MakeConsistentNeedsNoFailedAcquireBefore) {
  this->kill_a_holder();

  this->lock_.make_consistent();

  this->expect_usable();
}

TYPED_TEST(DeadHolderTest, AnyProcessMayMakeItConsistent) {
  this->kill_a_holder();

  EXPECT_EQ(in_child([&] { this->lock_.make_consistent(); }), 0);

  this->expect_usable();
}

TYPED_TEST(DeadHolderTest, MakeConsistentDoesNothingWhereNobodyDied) {
  TypeParam& lock = this->lock_;
  bool repaired = false;
  lock.make_consistent([&] { repaired = true; });
  lock.acquire();
  lock.make_consistent();
  lock.make_consistent([&] { repaired = true; });

  EXPECT_FALSE(repaired);
  EXPECT_TRUE(lock.locked());
  lock.release();
}

TYPED_TEST(DeadHolderTest, ASecondDeathIsToldAgain) {
  this->kill_a_holder();
  EXPECT_THROW(this->lock_.acquire(), mp::OwnerDiedError);
  this->lock_.make_consistent();

  const pid_t second = this->kill_a_holder();

  const auto error = this->error_of(this->lock_);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->pid(), second);
}

TYPED_TEST(DeadHolderTest, ARepairKeepsEverybodyOut) {
  this->kill_a_holder();
  TypeParam& lock = this->lock_;
  int runs = 0;

  lock.make_consistent([&] {
    ++runs;
    EXPECT_THROW(lock.acquire(false), mp::OwnerDiedError);
    EXPECT_EQ(in_child([&] { return this->error_of(lock).has_value(); }), 0);
  });

  EXPECT_EQ(runs, 1);
  this->expect_usable();
}

TYPED_TEST(DeadHolderTest, ARepairThatThrowsLeavesTheLockAsItIs) {
  this->kill_a_holder();

  EXPECT_THROW(this->lock_.make_consistent([] { throw std::runtime_error("beyond repair"); }),
               std::runtime_error);

  EXPECT_THROW(this->lock_.acquire(), mp::OwnerDiedError);
  this->lock_.make_consistent();
  this->expect_usable();
}

TYPED_TEST(DeadHolderTest, OnlyOneOfSeveralRepairs) {
  this->kill_a_holder();
  auto* runs =
      static_cast<std::atomic<int>*>(multiprocessing::memory::allocate(sizeof(std::atomic<int>)));
  *runs = 0;
  std::vector<Child> repairers;
  for (int i = 0; i < 4; ++i) {
    repairers.emplace_back([&] {
      this->lock_.make_consistent([&] {
        runs->fetch_add(1);
        std::this_thread::sleep_for(20ms);
      });
      return runs->load() == 1 && !this->lock_.locked();
    });
  }

  for (auto& repairer : repairers) EXPECT_EQ(repairer.wait(), 0);
  EXPECT_EQ(runs->load(), 1);
  multiprocessing::memory::deallocate(runs);
}

TYPED_TEST(DeadHolderTest, ARepairerThatDiesLeavesTheRepairToTheNext) {
  const pid_t pid = this->kill_a_holder();
  TypeParam& lock = this->lock_;
  EXPECT_EQ(in_child([&] { lock.make_consistent([] { ::raise(SIGKILL); }); }), -SIGKILL);

  const auto error = this->error_of(lock);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->pid(), pid);

  bool repaired = false;
  lock.make_consistent([&] { repaired = true; });
  EXPECT_TRUE(repaired);
  this->expect_usable();
}

TYPED_TEST(DeadHolderTest, ARepairThatRepairsItselfIsARuntimeError) {
  this->kill_a_holder();

  EXPECT_THROW(this->lock_.make_consistent([&] { this->lock_.make_consistent(); }),
               mp::RuntimeError);

  this->lock_.make_consistent();
}

TYPED_TEST(DeadHolderTest, AllThatWaitAreToldWithinTenMilliseconds) {
  TypeParam& lock = this->lock_;
  const auto begin = Clock::now();
  const auto now = [&] { return static_cast<int>((Clock::now() - begin) / 1us); };
  std::vector<int> delays;
  for (int round = 0; round < 10; ++round) {
    Child holder([&] {
      lock.acquire();
      ::pause();
    });
    ASSERT_TRUE(eventually([&] { return lock.locked(); }));
    std::array<SharedWord, 4> told;
    std::vector<Child> waiters;
    for (SharedWord& word : told) {
      waiters.emplace_back([&] {
        const bool error = this->error_of(lock).has_value();
        word = now();
        return error;
      });
    }
    std::this_thread::sleep_for(20ms);
    const int killed = now();
    holder.kill();

    for (auto& waiter : waiters) EXPECT_EQ(waiter.wait(), 0);
    delays.push_back(*std::max_element(told.begin(), told.end()) - killed);
    lock.make_consistent();
  }

  // The machine may be busy at one time, not at all of them.
  std::sort(delays.begin(), delays.end());
  EXPECT_LT(delays.front() * 1us, 10ms);
  EXPECT_LT(delays[delays.size() / 2] * 1us, 40ms);
}

TYPED_TEST(DeadHolderTest, AHolderOfTwoLocksIsMissedAtBoth) {
  TypeParam& lock = this->lock_;
  TypeParam second;
  Child holder([&] {
    lock.acquire();
    second.acquire();
    ::pause();
  });
  ASSERT_TRUE(eventually([&] { return second.locked(); }));
  Child first_waiter([&] { return this->error_of(lock).has_value(); });
  Child second_waiter([&] { return this->error_of(second).has_value(); });
  std::this_thread::sleep_for(20ms);

  holder.kill();

  EXPECT_EQ(first_waiter.wait(), 0);
  EXPECT_EQ(second_waiter.wait(), 0);
}

TYPED_TEST(DeadHolderTest, AHolderThatIsStoppedIsNotDead) {
  TypeParam& lock = this->lock_;
  Child holder([&] {
    lock.acquire();
    ::pause();
  });
  ASSERT_TRUE(eventually([&] { return lock.locked(); }));
  holder.signal(SIGSTOP);

  EXPECT_FALSE(lock.acquire(100ms));

  holder.kill();
  EXPECT_THROW(lock.acquire(), mp::OwnerDiedError);
}

TYPED_TEST(DeadHolderTest, ThreadsThatEndAreNoDeathOfTheirProcess) {
  TypeParam& lock = this->lock_;
  Child holder([&] {
    // The thread that came first to the library ends while the process goes on.
    std::thread([&] { lock.acquire(); }).join();
    ::pause();
  });
  ASSERT_TRUE(eventually([&] { return lock.locked(); }));
  std::this_thread::sleep_for(20ms);

  EXPECT_FALSE(lock.acquire(100ms));
}

TYPED_TEST(DeadHolderTest, ADeathIsSeenFromAnotherPidNamespace) {
  TypeParam& lock = this->lock_;
  Child outer([&] {
    if (::unshare(CLONE_NEWPID) != 0) return 2;
    // Pid 1 in there, whatever that is out here.
    return in_child([&] {
             lock.acquire();
             ::pause();
           }) == -SIGKILL
               ? 0
               : 1;
  });
  ASSERT_TRUE(eventually([&] { return lock.locked() || outer.ended(); }));
  ASSERT_FALSE(outer.ended()) << "no pid namespace: " << outer.wait();
  EXPECT_FALSE(lock.acquire(20ms));

  outer.kill();

  EXPECT_TRUE(this->error_of(lock).has_value());
}

TYPED_TEST(DeadHolderTest, AHolderOutsideIsMissedInAnotherPidNamespace) {
  TypeParam& lock = this->lock_;
  Child holder([&] {
    lock.acquire();
    ::pause();
  });
  ASSERT_TRUE(eventually([&] { return lock.locked(); }));
  Child outer([&] {
    if (::unshare(CLONE_NEWPID) != 0) return 2;
    return in_child([&] { return !lock.acquire(20ms) && this->error_of(lock).has_value(); });
  });
  std::this_thread::sleep_for(60ms);

  holder.kill();

  EXPECT_EQ(outer.wait(), 0);
}

std::string g_log;
void keep_log(mp::LogLevel, std::string_view text) noexcept { g_log += text; }

template <class L> class RecoveringLockTest : public DeadHolderTest<L> {
 protected:
  RecoveringLockTest() {
    this->lock_ = L(mp::recover);
    g_log.clear();
    multiprocessing::os::set_log_sink(keep_log, mp::LogLevel::warning);
  }
  ~RecoveringLockTest() override {
    multiprocessing::os::set_log_sink(nullptr, mp::LogLevel::warning);
  }
};
TYPED_TEST_SUITE(RecoveringLockTest, LockKinds);

TYPED_TEST(RecoveringLockTest, IsTakenOverWithAWarningInTheLog) {
  const pid_t pid = this->kill_a_holder();

  EXPECT_TRUE(this->lock_.acquire());

  EXPECT_THAT(g_log, testing::AllOf(HasSubstr("Process-7"), HasSubstr(std::to_string(pid))));
  EXPECT_EQ(in_child([&] { return this->lock_.acquire(false); }), 1);
  this->lock_.release();
  this->expect_usable();
}

TYPED_TEST(RecoveringLockTest, WarnsOfEachDeathOnce) {
  this->kill_a_holder();
  this->lock_.acquire();
  this->lock_.release();
  g_log.clear();

  this->lock_.acquire();

  EXPECT_EQ(g_log, "");
  this->lock_.release();
}

TYPED_TEST(RecoveringLockTest, GoesToOneOfThoseThatWait) {
  TypeParam& lock = this->lock_;
  Child holder([&] {
    lock.acquire();
    ::pause();
  });
  ASSERT_TRUE(eventually([&] { return lock.locked(); }));
  std::vector<Child> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.emplace_back([&] {
      lock.acquire();
      lock.release();
    });
  }
  std::this_thread::sleep_for(20ms);

  holder.kill();

  for (auto& waiter : waiters) EXPECT_EQ(waiter.wait(), 0);
  this->expect_usable();
}

TYPED_TEST(RecoveringLockTest, MakeConsistentRunsTheRepairUnderTheLock) {
  this->kill_a_holder();
  int runs = 0;

  this->lock_.make_consistent([&] {
    ++runs;
    EXPECT_EQ(in_child([&] { return this->lock_.acquire(false); }), 1);
  });
  this->lock_.make_consistent([&] { ++runs; });

  EXPECT_EQ(runs, 1);
  this->expect_usable();
}

class DeadRLockHolderTest : public SyncTest {};

TEST_F(DeadRLockHolderTest, MakeConsistentLeavesItAtDepthZero) {
  mp::RLock lock;
  in_child([&] {
    for (int i = 0; i < 3; ++i) lock.acquire();
  });
  lock.make_consistent();

  lock.acquire();
  lock.release();

  EXPECT_FALSE(lock.locked());
  EXPECT_THROW(lock.release(), mp::AssertionError);
}

TEST_F(DeadRLockHolderTest, ReleaseByAnotherIsAnAssertionErrorAlsoAfterADeath) {
  mp::RLock lock;
  in_child([&] { lock.acquire(); });

  EXPECT_THROW(lock.release(), mp::AssertionError);
  EXPECT_THROW(lock.acquire(), mp::OwnerDiedError);
}

class DeadPlainLockHolderTest : public SyncTest {};

TEST_F(DeadPlainLockHolderTest, ReleaseIsNoWayRoundTheRepair) {
  mp::Lock lock;
  in_child([&] { lock.acquire(); });

  EXPECT_THROW(lock.release(), mp::OwnerDiedError);
  EXPECT_THROW(lock.acquire(), mp::OwnerDiedError);
  EXPECT_THROW(lock.release(), mp::OwnerDiedError);
}

TEST_F(DeadPlainLockHolderTest, AChildForkedByTheHolderDoesNotHoldOn) {
  mp::Lock lock;
  Child holder([&] {
    lock.acquire();
    Child grandchild([] { ::pause(); });
    ::raise(SIGKILL);
  });
  holder.wait();

  EXPECT_THROW(lock.acquire(), mp::OwnerDiedError);
}

// Who sleeps watches the holder that it found, and another may get the lock before it.
TEST_F(DeadPlainLockHolderTest, AWaiterIsToldInTimeOfTheDeathOfALaterHolder) {
  auto fastest = std::chrono::nanoseconds::max();
  for (int round = 0; round < 5; ++round) {
    mp::Lock lock;
    SharedWord waiting;
    SharedWord holder;
    const auto take_and_keep = [&]() -> int {
      ++waiting;
      try {
        lock.acquire();
      } catch (const mp::OwnerDiedError&) {
        return 0;
      }
      holder = ::getpid();
      for (;;) ::pause();
    };
    lock.acquire();
    Child one(take_and_keep);
    Child other(take_and_keep);
    waiting.await(2);
    std::this_thread::sleep_for(2ms);  // most often both sleep then
    lock.release();
    ASSERT_TRUE(eventually([&] { return holder != 0; }));
    Child& later_holder = holder == one.pid() ? one : other;
    Child& waiter = holder == one.pid() ? other : one;

    const auto start = Clock::now();
    later_holder.kill();
    EXPECT_EQ(waiter.wait(), 0);
    fastest = std::min<std::chrono::nanoseconds>(fastest, since(start));
  }
  EXPECT_LT(fastest, 20ms);
}

}  // namespace
