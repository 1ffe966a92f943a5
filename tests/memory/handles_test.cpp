// SPDX-License-Identifier: BSL-1.0
// A process's own account of its handles, when its ordinary memory is used up and when it forks.
#include <gtest/gtest.h>

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <multiprocessing/synchronize.hpp>
#include <new>
#include <thread>

#include "blocks_test.hpp"
#include "child.hpp"
#include "fresh_program.hpp"
#include "memory/object.hpp"
#include "memory/object_life.hpp"
#include "process_state.hpp"
#include "shared_word.hpp"

namespace {

// How many allocations of this thread succeed until one fails; below 0: all do.
thread_local int successes_left = -1;

void* allocate_or_fail(std::size_t bytes) {
  if (successes_left >= 0 && successes_left-- == 0) throw std::bad_alloc();
  void* const block = std::malloc(bytes);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

}  // namespace

// Not inlined: a compiler that sees into one of them alone takes free() for the wrong counterpart.
[[gnu::noinline]] void* operator new(std::size_t bytes) { return allocate_or_fail(bytes); }
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes);
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }

namespace multiprocessing::memory {
namespace {

using test::Child;

struct Cell : ObjectHeader {
  static constexpr ObjectKind kKind = ObjectKind::kNone;
};

// Calls `f` with the first allocation failing, then with the second one, until none fails; says
// how many failed.
int fail_each_allocation_of(const auto& f) {
  for (int failed = 0;; ++failed) {
    successes_left = failed;
    try {
      f();
      successes_left = -1;
      return failed;
    } catch (const std::bad_alloc&) {
      successes_left = -1;
    }
  }
}

using Handles = BlocksTest;

TEST_F(Handles, AnObjectThatCannotBeAccountedForIsNotMadeAndHoldsNothingUp) {
  EXPECT_EQ(test::in_child([] {
              const int failed = fail_each_allocation_of([] { Handle made = make_object<Cell>(); });
              return failed > 0 && make_object<Cell>();
            }),
            0);
  expect_nothing_left();
}

// What is left of all that failed is still there when none does any more.
TEST_F(Handles, AnObjectThatCannotBeAccountedForGivesItsMemoryBackAtOnce) {
  const std::size_t before = usage().blocks;
  const int failed = fail_each_allocation_of([] { static_cast<void>(make_object<Cell>()); });
  EXPECT_GT(failed, 0);
  EXPECT_EQ(usage().blocks, before);
}

TEST_F(Handles, AnObjectThatCannotBeAccountedForLetsGoWhatItHolds) {
  const int failed = fail_each_allocation_of([] { const Condition made{AnyLock(Lock())}; });
  EXPECT_GT(failed, 1);
  expect_nothing_left();
}

TEST_F(Handles, OneThatCannotBeAdoptedLeavesItsObjectToTheOthers) {
  Handle cell = make_object<Cell>();
  EXPECT_EQ(test::in_child([place = offset_of(cell.get()), name = name_of(cell), &cell] {
              cell = {};
              int failed = fail_each_allocation_of([&] { static_cast<void>(adopt(place)); });
              failed += fail_each_allocation_of([&] { static_cast<void>(adopt_if_alive(name)); });
              return failed > 1 && adopt_if_alive(name);
            }),
            0);
  expect_nothing_left(1);
}

// A thread that lets its handle go when it is told to.
struct Dropper {
  std::atomic<pid_t> id{0};
  std::atomic<bool> told{false};
};
Dropper dropper;

// What comes before the fork in here comes when the handles are kept as they are: what is
// registered first is called last.
FRESH_SCENARIO(drop_while_forking) {
  ::pthread_atfork(
      [] {
        if (dropper.id == 0) return;
        dropper.told = true;
        while (test::state_of(dropper.id) != 'S') std::this_thread::yield();
      },
      nullptr, nullptr);
  test::SharedWord end;
  Handle kept = make_object<Cell>();
  const std::size_t before = usage().blocks;
  std::thread drops([cell = make_object<Cell>()]() mutable {
    dropper.id = ::gettid();
    while (!dropper.told) std::this_thread::yield();
    cell = {};
  });
  while (dropper.id == 0) std::this_thread::yield();

  Child child([&] { end.await(1); });

  drops.join();
  const bool gone = test::eventually([&] {
    flush_deferred_drops();
    return usage().blocks == before;
  });
  end = 1;
  return gone && child.wait() == 0 ? 0 : 1;
}

TEST_F(Handles, AChildKeepsNoObjectWhoseLastHandleAThreadOfItsParentWasLettingGo) {
  EXPECT_EQ(::test::run_fresh("drop_while_forking"), 0);
}

}  // namespace
}  // namespace multiprocessing::memory
