// SPDX-License-Identifier: BSL-1.0
// The executor, its futures, and what waits for many of them.
#include <multiprocessing/futures.hpp>
#include <set>
#include <unordered_set>

#include "pool_test.hpp"

namespace multiprocessing::test {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

class ExecutorTest : public PoolTest {
 protected:
  Event go;
  static int wait_and_return(Event event, int x) {
    event.wait();
    return x;
  }
};

TEST_F(ExecutorTest, AFutureHasTheResultOfItsCall) {
  const ProcessPoolExecutor executor(2);
  const Future<int> future = executor.submit(square, 7);

  EXPECT_EQ(future.result(), 49);
  EXPECT_EQ(future.result(1s), 49);
  EXPECT_EQ(future.exception(), nullptr);
  EXPECT_TRUE(future.done());
  EXPECT_FALSE(future.running());
  EXPECT_FALSE(future.cancel());
}

TEST_F(ExecutorTest, AFutureHasTheErrorOfItsCall) {
  const ProcessPoolExecutor executor(1);
  const Future<void> future = executor.submit([] { throw KeyError("k"); });

  EXPECT_THROW(future.result(), KeyError);
  EXPECT_THROW(std::rethrow_exception(future.exception()), KeyError);
}

TEST_F(ExecutorTest, OnlyACallThatNoWorkerHasBegunIsCancelled) {
  const ProcessPoolExecutor executor(1);
  const Future<int> first = executor.submit(wait_and_return, go, 1);
  const Future<int> second = executor.submit(wait_and_return, go, 2);
  const Future<int> third = executor.submit(wait_and_return, go, 3);
  ASSERT_TRUE(eventually([&] { return first.running(); }));

  EXPECT_FALSE(first.cancel());
  EXPECT_FALSE(second.running());
  EXPECT_TRUE(second.cancel());
  EXPECT_TRUE(second.cancel());
  EXPECT_TRUE(second.cancelled());
  EXPECT_TRUE(second.done());
  EXPECT_THROW(second.result(), CancelledError);
  EXPECT_THROW(static_cast<void>(second.exception()), CancelledError);

  EXPECT_THROW(first.result(10ms), TimeoutError);
  go.set();
  EXPECT_EQ(first.result(), 1);
  EXPECT_EQ(third.result(), 3);
}

TEST_F(ExecutorTest, DoneCallbacksRunInTheirOrderAndAtOnceWhenDone) {
  const ProcessPoolExecutor executor(1);
  std::vector<int> order;
  const Future<int> future = executor.submit(wait_and_return, go, 5);
  future.add_done_callback([&](const Future<int>& f) { order.push_back(f.result()); });
  future.add_done_callback([](const Future<int>&) { throw std::runtime_error("callback"); });
  future.add_done_callback([&](const Future<int>&) { order.push_back(6); });
  go.set();
  EXPECT_EQ(future.result(), 5);
  future.add_done_callback([&](const Future<int>&) { order.push_back(7); });
  EXPECT_THAT(order, ElementsAre(5, 6, 7));
}

TEST_F(ExecutorTest, ACancelledFutureCallsItsCallbacks) {
  const ProcessPoolExecutor executor(1);
  const auto first = executor.submit(wait_and_return, go, 1);
  const auto second = executor.submit(wait_and_return, go, 2);
  std::atomic<bool> called{false};
  second.add_done_callback([&](const Future<int>& f) { called = f.cancelled(); });
  EXPECT_TRUE(second.cancel());
  EXPECT_TRUE(eventually([&] { return called.load(); }));
  go.set();
}

// The result thread may be on its way to sleep each time.
TEST_F(ExecutorTest, OfManyCancelledFuturesEachCallsItsCallbacks) {
  const ProcessPoolExecutor executor(1);
  const auto first = executor.submit(wait_and_return, go, 0);
  for (int i = 1; i <= 2000; ++i) {
    const auto future = executor.submit(wait_and_return, go, i);
    const auto called = std::make_shared<std::atomic<bool>>(false);
    future.add_done_callback([called](const Future<int>& f) { *called = f.cancelled(); });
    ASSERT_TRUE(future.cancel());
    ASSERT_TRUE(eventually([&] { return called->load(); })) << "future " << i;
  }
  go.set();
}

TEST_F(ExecutorTest, WhoWaitsForAFutureIsToldWhenAnotherThreadCancelsIt) {
  const ProcessPoolExecutor executor(1);
  const auto first = executor.submit(wait_and_return, go, 0);
  for (int i = 1; i <= 200; ++i) {
    const auto future = executor.submit(wait_and_return, go, i);
    std::atomic<bool> waits{false};
    std::thread waiter([&] {
      waits = true;
      EXPECT_THROW(future.result(10s), CancelledError) << "future " << i;
    });
    ASSERT_TRUE(eventually([&] { return waits.load(); }));
    if (i % 2 == 0) std::this_thread::sleep_for(1ms);  // It waits already, or is about to.
    EXPECT_TRUE(future.cancel());
    waiter.join();
  }
  go.set();
}

TEST_F(ExecutorTest, MapGivesResultsInOrderAndErrorsAtTheirPlace) {
  const ProcessPoolExecutor executor(2);
  std::vector<int> results;
  for (const int x : executor.map(square, numbers(1, 100), {.chunksize = 7})) results.push_back(x);
  EXPECT_THAT(results, SizeIs(100));
  EXPECT_EQ(results[99], 10'000);

  auto mapped = executor.map(
      [](int x) {
        if (x == 2) throw ValueError("two");
        return x;
      },
      numbers(1, 3));
  EXPECT_EQ(mapped.next(), 1);
  EXPECT_THROW(mapped.next(), ValueError);
  EXPECT_THROW(executor.map(square, numbers(1, 3), {.chunksize = -1}), ValueError);

  auto late = executor.map(partial(wait_and_return, go), numbers(1, 2), {.timeout = 20ms});
  EXPECT_THROW(late.begin(), TimeoutError);
  go.set();
}

TEST_F(ExecutorTest, MapReadsOnlyAsFarAheadAsItsBuffer) {
  const ProcessPoolExecutor executor(2);
  int read = 0;
  const auto note = [&](int x) { return ++read, x; };
  const ReadBy items{note, numbers(1, 1000)};
  auto results = executor.map(square, items, {.buffersize = 10});
  for (int i = 1; i <= 1000; ++i) {
    EXPECT_EQ(results.next(), i * i);
    EXPECT_LT(read, i + 10);
  }
}

TEST_F(ExecutorTest, AsCompletedGivesEachFutureOnceTheDoneOnesFirst) {
  const ProcessPoolExecutor executor(2);
  const auto slow = executor.submit(wait_and_return, go, 1);
  const auto quick = executor.submit(square, 3);
  quick.result();
  std::vector<int> seen;
  const std::vector<Future<int>> futures{slow, quick, slow};
  for (const auto& future : as_completed(futures)) {
    seen.push_back(future.result());
    go.set();
  }
  EXPECT_THAT(seen, ElementsAre(9, 1));
}

TEST_F(ExecutorTest, AsCompletedThrowsWhenItsTimeIsOver) {
  const ProcessPoolExecutor executor(1);
  const std::vector<Future<int>> futures{executor.submit(wait_and_return, go, 1)};
  auto completed = as_completed(futures, 20ms);
  EXPECT_STREQ(caught<TimeoutError>([&] { completed.begin(); }).what(),
               "1 (of 1) futures unfinished");
  go.set();
}

TEST_F(ExecutorTest, WaitReturnsWhenItWasAskedTo) {
  const ProcessPoolExecutor executor(2);
  const auto slow = executor.submit(wait_and_return, go, 1);
  const auto quick = executor.submit(square, 3);
  const std::vector<Future<int>> futures{slow, quick, quick};

  auto [done, not_done] = mp::wait(futures, forever, FIRST_COMPLETED);
  EXPECT_THAT(done, ElementsAre(quick));
  EXPECT_THAT(not_done, ElementsAre(slow));

  const auto failed = executor.submit([](int) -> int { throw ValueError("v"); }, 1);
  const auto first_failure =
      mp::wait(std::set<Future<int>>{slow, quick, failed}, forever, FIRST_EXCEPTION);
  EXPECT_THAT(first_failure.not_done, ElementsAre(slow));

  EXPECT_THAT(mp::wait(std::unordered_set<Future<int>>{slow, quick}, 10ms).not_done,
              ElementsAre(slow));
  go.set();
  EXPECT_THAT(mp::wait(futures).not_done, SizeIs(0));
}

TEST_F(ExecutorTest, ShutdownLetsTheCallsEndAndTakesNoMore) {
  ProcessPoolExecutor executor(2);
  std::vector<Future<int>> futures;
  for (int i = 0; i < 50; ++i) futures.push_back(executor.submit(square, i));
  executor.shutdown();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].result(), i * i);
  EXPECT_THROW(executor.submit(square, 1), RuntimeError);
  executor.shutdown();
}

TEST_F(ExecutorTest, ShutdownMayCancelWhatHasNotBegun) {
  ProcessPoolExecutor executor(1);
  std::vector<Future<int>> futures;
  for (int i = 0; i < 50; ++i) futures.push_back(executor.submit(wait_and_return, go, i));
  ASSERT_TRUE(eventually([&] { return futures[0].running(); }));
  executor.shutdown(false, true);
  go.set();
  EXPECT_EQ(futures[0].result(), 0);
  for (std::size_t i = 1; i < 50; ++i) EXPECT_TRUE(futures[i].cancelled());
}

TEST_F(ExecutorTest, ShutdownMayCancelTheRestOfAMap) {
  ProcessPoolExecutor executor(1);
  auto results = executor.map(partial(
                                  [](Event event, int x) {
                                    if (x > 4) event.wait();
                                    return x;
                                  },
                                  go),
                              numbers(1, 40), {.chunksize = 2});
  for (int i = 1; i <= 4; ++i) EXPECT_EQ(results.next(), i);
  ASSERT_TRUE(eventually([&] { return executor.stats()[0].tasks == 4; }));
  // The next chunk is the worker's, or about to be.
  executor.shutdown(false, true);
  go.set();

  int cancelled = 0;
  for (int i = 5; i <= 40; ++i) {
    try {
      EXPECT_EQ(results.next(), i);
      EXPECT_EQ(cancelled, 0);
    } catch (const CancelledError&) {
      ++cancelled;
    }
  }
  EXPECT_GE(cancelled, 34);
  EXPECT_EQ(results.next(), std::nullopt);
}

TEST_F(ExecutorTest, TheLastHandleWaitsForTheCalls) {
  Future<int> future = ProcessPoolExecutor(1).submit(square, 4);
  EXPECT_TRUE(future.done());
  EXPECT_EQ(future.result(), 16);
}

TEST_F(ExecutorTest, WorkersAreTerminatedOrKilled) {
  for (const bool kill : {false, true}) {
    ProcessPoolExecutor executor(2);
    const auto running = executor.submit([] { wait_for_ever(); });
    ASSERT_TRUE(eventually([&] { return running.running(); }));
    kill ? executor.kill_workers() : executor.terminate_workers();
    EXPECT_THROW(running.result(20s), BrokenProcessPool);
    EXPECT_THROW(executor.submit(square, 1), RuntimeError);
  }
}

TEST_F(ExecutorTest, AnExecutorsWorkerMayHavePoolsOfItsOwn) {
  const ProcessPoolExecutor executor(2);
  const auto nested = [](int n) {
    const Pool pool(2);
    const auto squares = pool.map(square, numbers(1, n));
    return std::accumulate(squares.begin(), squares.end(), 0);
  };
  EXPECT_EQ(executor.submit(nested, 3).result(), 14);
  EXPECT_EQ(executor.submit(nested, 4).result(), 30);
}

TEST_F(ExecutorTest, ALostWorkersCallFailsAndTheOthersEnd) {
  const ProcessPoolExecutor executor({.max_workers = 2, .mp_context = "spawn"});
  const auto lost = executor.submit([] { ::raise(SIGKILL); });
  EXPECT_EQ(executor.submit(square, 2).result(), 4);
  EXPECT_THROW(lost.result(), WorkerLost);
  EXPECT_EQ(executor.submit(square, 3).result(), 9);
}

TEST_F(ExecutorTest, AForkedChildTakesNoCallBackThatItsParentWaitsFor) {
  const ProcessPoolExecutor executor(1);
  const auto first = executor.submit(wait_and_return, go, 1);
  const auto second = executor.submit(wait_and_return, go, 2);
  const auto third = executor.submit(wait_and_return, go, 3);
  ASSERT_TRUE(eventually([&] { return first.running(); }));

  EXPECT_EQ(in_child([&] {
              EXPECT_THROW(static_cast<void>(second.cancel()), RuntimeError);
              EXPECT_THROW(static_cast<void>(third.running()), RuntimeError);
              return !HasFailure();
            }),
            0);

  go.set();
  EXPECT_EQ(second.result(20s), 2);
  EXPECT_EQ(third.result(20s), 3);
}

TEST_F(ExecutorTest, AForkedChildIsToldThatItWaitsInVainForManyToo) {
  const ProcessPoolExecutor executor(1);
  const auto done = executor.submit(square, 3);
  done.result();
  const std::vector<Future<int>> both{done, executor.submit(wait_and_return, go, 1)};

  EXPECT_EQ(in_child([&] {
              EXPECT_THROW(mp::wait(both, 1s), RuntimeError);
              EXPECT_THROW(as_completed(both, 1s).begin(), RuntimeError);
              EXPECT_THAT(mp::wait(std::vector{done}).done, ElementsAre(done));
              return !HasFailure();
            }),
            0);
  go.set();
}

TEST_F(ExecutorTest, WhoWaitsForManyKeepsThem) {
  auto job = std::make_shared<detail::OneJob<int>>(nullptr);
  const std::weak_ptr<detail::Job> kept = job;
  auto waiter = std::make_unique<detail::FutureWaiter>(1);
  waiter->watch(0, *job);
  job.reset();
  EXPECT_FALSE(kept.expired());
  waiter.reset();
  EXPECT_TRUE(kept.expired());
}

TEST_F(ExecutorTest, AsCompletedMayBeAssignedOverWhileItIsRead) {
  const ProcessPoolExecutor executor(1);
  const auto two = [&] {
    return std::vector{executor.submit(square, 3), executor.submit(wait_and_return, go, 5)};
  };
  auto completed = as_completed(two());
  EXPECT_EQ(completed.begin()->result(), 9);
  const auto more = two();
  go.set();
  EXPECT_THAT(mp::wait(more).not_done, SizeIs(0));

  // Nobody else knows the call that was waited for.
  completed = as_completed(more);

  int sum = 0;
  for (const auto& future : completed) sum += future.result();
  EXPECT_EQ(sum, 14);
}

TEST_F(ExecutorTest, ARangeThatIsAssignedOverDropsWhatHasNotBegun) {
  const ProcessPoolExecutor executor(1);
  const auto held = executor.submit(wait_and_return, go, 1);
  const Value<int> run(0);
  const auto note = partial(
      [](Value<int> count, int x) {
        count.update([](int& n) { ++n; });
        return x;
      },
      run);
  ASSERT_TRUE(eventually([&] { return held.running(); }));

  auto results = executor.map(note, numbers(1, 20));
  results = executor.map(note, numbers(7, 7));
  auto& same = results;
  results = std::move(same);
  go.set();

  EXPECT_EQ(results.next(), 7);
  EXPECT_EQ(results.next(), std::nullopt);
  EXPECT_EQ(run.value(), 1);
}

TEST_F(ExecutorTest, AFutureOfNoCallSaysSo) {
  EXPECT_THROW(Future<int>().result(), InvalidStateError);
}

}  // namespace
}  // namespace multiprocessing::test
