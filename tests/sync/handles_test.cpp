// SPDX-License-Identifier: BSL-1.0
// What holds for the handles of all kinds.
#include <multiprocessing/detail/message.hpp>

#include <csignal>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;
namespace memory = multiprocessing::memory;

// Made before main.
mp::Lock g_lock;
mp::RLock g_rlock(mp::recover);
mp::Semaphore g_semaphore(2);
mp::BoundedSemaphore g_bounded(2);
mp::Event g_event;
mp::Condition g_condition;
mp::Barrier g_barrier(2, [] {});

class HandlesTest : public SyncTest {};

TEST_F(HandlesTest, MayBeGlobalsMadeBeforeMain) {
  Child child([] {
    const std::scoped_lock guard(g_lock, g_rlock, g_semaphore, g_bounded);
    g_event.set();
    g_condition.acquire();
    g_condition.notify();
    g_condition.release();
    return g_barrier.wait() < 2;
  });

  EXPECT_TRUE(g_event.wait(10s));
  EXPECT_LT(g_barrier.wait(10s), 2);

  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(g_semaphore.get_value(), 2);
  EXPECT_EQ(g_bounded.get_value(), 2);
}

TEST_F(HandlesTest, LiveInContainersAndOutliveTheProcessThatMadeThem) {
  std::map<std::string, std::vector<mp::Lock>> locks;
  locks["a"].resize(3);
  Child parent([&] {
    Child child([&] {
      std::this_thread::sleep_for(20ms);
      locks["a"][1].acquire();
      locks["a"][1].release();
    });
    locks.clear();
    return child.wait();
  });

  EXPECT_EQ(parent.wait(), 0);
  EXPECT_FALSE(locks["a"][1].locked());
}

TEST_F(HandlesTest, AnObjectEndsWithItsLastHandleAndKilledProcessesDoNotCount) {
  memory::sweep();
  const std::size_t before = memory::usage().blocks;
  std::optional<mp::Condition> condition(std::in_place);
  EXPECT_GT(memory::usage().blocks, before);
  Child child([] { ::pause(); });
  std::this_thread::sleep_for(20ms);
  child.kill();

  condition.reset();

  memory::sweep();
  EXPECT_EQ(memory::usage().blocks, before);
}

TEST_F(HandlesTest, TensOfThousandsOfLocksAreNoBurden) {
  constexpr std::size_t kLocks = 20'000;
  const auto start = Clock::now();
  std::vector<mp::Lock> locks(kLocks);
  for (auto& lock : locks) lock.acquire();

  EXPECT_EQ(in_child([&] { return locks[kLocks - 1].locked() && !locks[0].acquire(false); }), 0);

  for (auto& lock : locks) lock.release();
  EXPECT_LT(since(start), 20s);
}

template <class T> void expect_that_it_travels(const T& original) {
  using mp::detail::HandleAccess;
  const T arrived = HandleAccess::make<T>(HandleAccess::get(original));
  EXPECT_TRUE(arrived == original);
}

TEST_F(HandlesTest, OfEveryKindTravelInMessages) {
  expect_that_it_travels(g_lock);
  expect_that_it_travels(g_rlock);
  expect_that_it_travels(g_semaphore);
  expect_that_it_travels(g_bounded);
  expect_that_it_travels(g_event);
  expect_that_it_travels(g_condition);
  expect_that_it_travels(g_barrier);
}

TEST_F(HandlesTest, ABarrierThatTravelledHasNotItsAction) {
  using mp::detail::HandleAccess;
  auto arrived = HandleAccess::make<mp::Barrier>(HandleAccess::get(mp::Barrier(1, [] {})));

  EXPECT_THROW(arrived.wait(), mp::RuntimeError);
  EXPECT_TRUE(arrived.broken());
}

}  // namespace
