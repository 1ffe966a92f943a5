// SPDX-License-Identifier: BSL-1.0
// What holds for the handles of all kinds.
#include <multiprocessing/detail/message.hpp>

#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fresh_program.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;
namespace memory = multiprocessing::memory;

struct OneOfEach {
  mp::Lock lock;
  mp::RLock rlock{mp::recover};
  mp::Semaphore semaphore{2};
  mp::BoundedSemaphore bounded{2};
  mp::Event event;
  mp::Condition condition;
  mp::Barrier barrier{2, [] {}};
};

// Made before main, but only in the program of the one test: the others count what is shared.
const std::unique_ptr<OneOfEach> g_globals(std::getenv("GLOBALS_WANTED") != nullptr ? new OneOfEach
                                                                                    : nullptr);

FRESH_SCENARIO(use_globals) {
  OneOfEach& globals = *g_globals;
  Child child([&] {
    const std::scoped_lock guard(globals.lock, globals.rlock, globals.semaphore, globals.bounded);
    globals.event.set();
    globals.condition.acquire();
    globals.condition.notify();
    globals.condition.release();
    return globals.barrier.wait() < 2;
  });
  const bool met = globals.event.wait(10s) && globals.barrier.wait(10s) < 2;
  const bool child_met = child.wait() == 0;
  return met && child_met && globals.semaphore.get_value() == 2 ? 0 : 1;
}

class HandlesTest : public SyncTest {};

TEST_F(HandlesTest, MayBeGlobalsMadeBeforeMain) {
  EXPECT_EQ(::test::run_fresh("use_globals", {"GLOBALS_WANTED=1"}), 0);
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
  const OneOfEach each;
  expect_that_it_travels(each.lock);
  expect_that_it_travels(each.rlock);
  expect_that_it_travels(each.semaphore);
  expect_that_it_travels(each.bounded);
  expect_that_it_travels(each.event);
  expect_that_it_travels(each.condition);
  expect_that_it_travels(each.barrier);
}

TEST_F(HandlesTest, ABarrierThatTravelledHasNotItsAction) {
  using mp::detail::HandleAccess;
  auto arrived = HandleAccess::make<mp::Barrier>(HandleAccess::get(mp::Barrier(1, [] {})));

  EXPECT_THROW(arrived.wait(), mp::RuntimeError);
  EXPECT_TRUE(arrived.broken());
}

}  // namespace
