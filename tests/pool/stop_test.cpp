// SPDX-License-Identifier: BSL-1.0
// How tasks, workers and pools are stopped.
#include <cstdlib>
#include <multiprocessing/futures.hpp>

#include "fresh_program.hpp"
#include "pool_test.hpp"
#include "process_state.hpp"

namespace multiprocessing::test {
namespace {

using testing::HasSubstr;

class PoolStopTest : public PoolTest {};

int sleep_through_sigterm() {
  ::signal(SIGTERM, SIG_IGN);
  wait_for_ever();
}

TEST_F(PoolStopTest, ATaskThatRunsTooLongFailsAlone) {
  const Pool pool({.processes = 2, .task_timeout = 100ms});
  auto results = pool.imap(
      [](int x) {
        if (x == 5) wait_for_ever();
        return x;
      },
      numbers(1, 20), 4);

  for (int i = 1; i <= 20; ++i) {
    if (i == 5) {
      EXPECT_THAT(caught<TimeoutError>([&] { results.next(); }).what(),
                  HasSubstr("item 4 of call 1"));
    } else {
      EXPECT_EQ(results.next(), i);
    }
  }
}

TEST_F(PoolStopTest, ACallMayHaveATimeoutOfItsOwn) {
  const Pool pool(1);
  EXPECT_THROW(pool.apply([] { wait_for_ever(); }, TaskOptions{.timeout = 50ms}), TimeoutError);
  EXPECT_THROW(pool.map([](int) { wait_for_ever(); }, numbers(1, 2), {.timeout = 50ms}),
               TimeoutError);
  EXPECT_EQ(pool.apply(square, 3), 9);
}

struct SlowToArrive {
  int more = 0;
  template <class Archive> void serialize(Archive& ar, unsigned) {
    ar& more;
    if (Archive::is_loading::value) std::this_thread::sleep_for(100ms);
  }
  int operator()(int x) const { return x + more; }
};

TEST_F(PoolStopTest, TheTimeBeforeATaskBeginsDoesNotCount) {
  const Pool pool({.processes = 1, .task_timeout = 20ms});
  EXPECT_EQ(pool.apply(SlowToArrive{4}, 3), 7);
  EXPECT_EQ(pool.stats()[0].restarts, 0U);
}

TEST_F(PoolStopTest, ATaskThatIgnoresSigtermIsKilledAfterAGrace) {
  const Pool pool(1);
  EXPECT_THROW(pool.apply(sleep_through_sigterm, TaskOptions{.timeout = 50ms}), TimeoutError);
  EXPECT_EQ(pool.apply(square, 3), 9);
}

TEST_F(PoolStopTest, ThousandsOfTasksThatEndAsTheirTimeIsOverLoseNoOther) {
  const Pool pool({.processes = 2, .task_timeout = 2ms});
  std::size_t late = 0;
  auto results = pool.imap(
      [](int x) {
        const auto until = Clock::now() + std::chrono::microseconds(1900 + x % 200);
        while (Clock::now() < until) {
        }
        return x;
      },
      numbers(0, 299), 3);
  for (int i = 0; i < 300; ++i) {
    try {
      EXPECT_EQ(results.next(), i);
    } catch (const TimeoutError&) {
      ++late;
    }
  }
  RecordProperty("late", static_cast<int>(late));
  EXPECT_EQ(results.next(), std::nullopt);
}

TEST_F(PoolStopTest, CloseAndJoinLetAllTasksAndCallbacksEnd) {
  const Pool pool(2);
  std::atomic<int> called{0};
  for (int i = 0; i < 50; ++i) pool.apply_async(square, i).then([&](int) { ++called; });

  EXPECT_THROW(pool.join(), ValueError);
  pool.close();
  pool.join();

  EXPECT_EQ(called, 50);
  EXPECT_THROW(pool.apply(square, 1), ValueError);
  EXPECT_THROW(pool.map(square, numbers(1, 2)), ValueError);
  pool.close();
  pool.terminate();
  pool.join();
}

TEST_F(PoolStopTest, WorkersOfFewTasksDoNotKeepAClosedPoolFromItsEnd) {
  const Pool pool({.processes = 3, .maxtasksperchild = 1});
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 20; ++i) results.push_back(pool.apply_async(square, i));
  pool.close();
  pool.join();
  for (int i = 0; i < 20; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i)].get(), i * i);
}

TEST_F(PoolStopTest, AClosedPoolEndsAlsoWhenItsLastResultsAreOfInterestNoMore) {
  const Event go;
  const Pool pool(
      1, [](const Event& event) { Event(event).wait(); }, go);
  auto results = std::make_unique<ResultRange<int>>(pool.imap(square, numbers(1, 5)));
  pool.close();
  // The thread that collects sleeps.
  std::this_thread::sleep_for(20ms);
  results.reset();
  Event(go).set();
  pool.join();
}

TEST_F(PoolStopTest, WhatIsCalledWhileAPoolEndsEndsToo) {
  for (int i = 0; i < rounds(30, 1000); ++i) {
    const Pool pool(1);
    std::atomic<int> got{0};
    std::thread caller([&] {
      try {
        for (;;) {
          std::atomic<int> called{0};
          const auto result = pool.apply_async(square, 3);
          result.then([&](int) { ++called; }, [&](const std::exception&) { ++called; });
          EXPECT_TRUE(result.wait(20s));
          EXPECT_EQ(called, 1);
          ++got;
        }
      } catch (const ValueError&) {
      }
    });
    while (got < 3) std::this_thread::yield();
    i % 2 == 0 ? pool.terminate() : pool.close();
    caller.join();
  }
}

TEST_F(PoolStopTest, TerminateEndsTenThousandLongTasksAtOnce) {
  const Pool pool(2);
  const auto result =
      pool.map_async([](int) { wait_for_ever(); }, numbers(1, 10'000), {.chunksize = 1});
  const auto start = Clock::now();

  pool.terminate();
  pool.join();

  EXPECT_LT(since(start), 5s);
  EXPECT_THROW(result.get(), BrokenProcessPool);
  EXPECT_THROW(pool.apply(square, 1), ValueError);
}

TEST_F(PoolStopTest, TheLastHandleTerminatesWhateverTheTasksDo) {
  AsyncResult<int> result = [] {
    const Pool pool(2);
    const Pool copy = pool;  // NOLINT: another handle
    return copy.apply_async(sleep_through_sigterm);
  }();
  EXPECT_THROW(result.get(), BrokenProcessPool);
}

TEST_F(PoolStopTest, ACallbackMayEndItsPool) {
  auto pool = std::make_unique<Pool>(1);
  const auto result = pool->apply_async(square, 3);
  std::atomic<bool> ended{false};
  result.then([&](int) {
    pool->terminate();
    ended = true;
  });
  EXPECT_TRUE(eventually([&] { return ended.load(); }));
  pool.reset();
}

TEST_F(PoolStopTest, AForkedChildsCopyDoesNothingAtItsEnd) {
  const Pool pool(2);
  EXPECT_EQ(pool.apply(square, 2), 4);

  EXPECT_EQ(in_child([&] {
              try {
                Pool copy = pool;
                copy.apply(square, 1);
                return 1;
              } catch (const RuntimeError&) {
                return 0;
              }
            }),
            0);

  EXPECT_EQ(pool.map(square, numbers(1, 10)).size(), 10U);
}

TEST_F(PoolStopTest, AForkedChildIsToldThatItGetsNoResults) {
  const Pool pool(1);
  const ThreadPool threads(1);
  const Event go;
  const auto wait = [](const Event& event) { Event(event).wait(); };
  const auto result = pool.apply_async(wait, go);
  const auto of_thread = threads.apply_async(wait, go);

  EXPECT_EQ(in_child([&] {
              EXPECT_THROW(result.get(), RuntimeError);
              EXPECT_THROW(of_thread.get(), RuntimeError);
              EXPECT_THROW(static_cast<void>(pool.stats()), RuntimeError);
              EXPECT_THROW(static_cast<void>(threads.stats()), RuntimeError);
              EXPECT_THROW(threads.close(), RuntimeError);
              return !HasFailure();
            }),
            0);
  Event(go).set();
  result.get();
  of_thread.get();
}

TEST_F(PoolStopTest, AWorkerOfAPoolIsADaemonAndHasNoPoolOfItsOwn) {
  const Pool pool(1);
  EXPECT_THROW(pool.apply([] { return Pool(1).apply(square, 3); }), AssertionError);
}

FRESH_SCENARIO(pool_left_open) {
  static const Pool pool(2);
  pool.apply_async([] { wait_for_ever(); });
  return pool.apply(square, 3) == 9 ? 0 : 1;
}
TEST_F(PoolStopTest, AProgramThatLeavesAPoolOpenEnds) {
  EXPECT_EQ(::test::run_fresh("pool_left_open"), 0);
}

FRESH_SCENARIO(closes_what_it_does_not_know) {
  const Pool pool({.processes = 2});
  pool.apply(square, 2);
  ::closefrom(3);
  try {
    for (;;) pool.apply(square, 2);
  } catch (const BrokenProcessPool&) {
    return 0;
  }
}

TEST_F(PoolStopTest, AProgramThatClosesThePoolsDescriptorsGetsAnError) {
  EXPECT_EQ(::test::run_fresh("closes_what_it_does_not_know"), 0);
}

// Whether that process is there and no zombie.
bool lives(pid_t pid) {
  const char state = test::state_of(pid);
  return state != '\0' && state != 'Z' && state != 'X';
}

class PoolOrphanTest : public PoolStartTest {};
INSTANTIATE_TEST_SUITE_P(All, PoolOrphanTest, testing::Values("fork", "spawn", "forkserver"),
                         start_method_name);

void tell_pid_and_wait(const Queue<pid_t>& to, int /*item*/) {
  to.put(::getpid());
  wait_for_ever();
}

TEST_P(PoolOrphanTest, NoWorkerOutlivesAKilledParentByMoreThanASecond) {
  const Queue<pid_t> pids;
  Child parent([&] {
    const Pool pool = ctx.Pool(1);
    const auto result = pool.apply_async(tell_pid_and_wait, pids, 0);
    // Whose workers are no daemons.
    const ProcessPoolExecutor executor({.max_workers = 1, .mp_context = GetParam()});
    const auto future = executor.submit(tell_pid_and_wait, pids, 0);
    result.wait();
  });
  const pid_t first = pids.get(60s);
  const pid_t second = pids.get(60s);

  parent.kill();

  EXPECT_TRUE(eventually([&] { return !lives(first) && !lives(second); }, 1500ms));
}

TEST_F(PoolStopTest, CtrlCEndsTheProgramAndItsWorkersOnce) {
  const Queue<pid_t> pids;
  Child program([&] {
    ::setpgid(0, 0);
    const Pool pool(2);
    const auto result =
        pool.map_async(partial(tell_pid_and_wait, pids), numbers(1, 2), {.chunksize = 1});
    result.wait();
  });
  const pid_t first = pids.get(60s);
  const pid_t second = pids.get(60s);

  ::kill(-program.pid(), SIGINT);

  EXPECT_EQ(program.wait(), -SIGINT);
  EXPECT_TRUE(eventually([&] { return !lives(first) && !lives(second); }, 1500ms));
}

TEST_F(PoolStopTest, CtrlCIsLeftToTheParent) {
  const Pool pool(2);
  const auto result = pool.apply_async([] {
    for (int i = 0; i < 10; ++i) ::raise(SIGINT);
    return 7;
  });
  EXPECT_EQ(result.get(), 7);
}

}  // namespace
}  // namespace multiprocessing::test
