// SPDX-License-Identifier: BSL-1.0
// What a pool does under each start method.
#include "pool_test.hpp"

#include <boost/serialization/vector.hpp>
#include <forward_list>
#include <map>
#include <mutex>
#include <optional>
#include <set>

namespace multiprocessing::test {
namespace {

using testing::ElementsAre;

INSTANTIATE_TEST_SUITE_P(All, PoolStartTest, testing::Values("fork", "spawn", "forkserver"),
                         start_method_name);

int add(int a, int b) { return a + b; }
std::string repeat(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST_P(PoolStartTest, ApplyCallsAFunctionInAWorker) {
  const Pool pool = ctx.Pool(2);

  EXPECT_EQ(pool.apply(add, 3, 4), 7);
  EXPECT_EQ(pool.apply(repeat, "ab", 3), "ababab");
  EXPECT_NE(pool.apply(own_pid, 0), ::getpid());
}

TEST_P(PoolStartTest, MapGivesTheResultsInTheOrderOfTheItems) {
  const Pool pool = ctx.Pool(2);

  const std::vector<int> results = pool.map(square, numbers(1, 1000));

  ASSERT_EQ(results.size(), 1000U);
  for (int i = 1; i <= 1000; ++i) EXPECT_EQ(results[static_cast<std::size_t>(i - 1)], i * i);
}

struct Scale {
  int factor = 1;
  int operator()(int x) const { return x * factor; }
  template <class Archive> void serialize(Archive& ar, unsigned) { ar& factor; }
};

TEST_P(PoolStartTest, EveryKindOfCallableThatTravelsIsATask) {
  const Pool pool = ctx.Pool(2);
  const std::vector<int> items{1, 2, 3};

  EXPECT_THAT(pool.map(square, items), ElementsAre(1, 4, 9));
  EXPECT_THAT(pool.map([](int x) { return x + 1; }, items), ElementsAre(2, 3, 4));
  EXPECT_THAT(pool.map(partial(add, 10), items), ElementsAre(11, 12, 13));
  EXPECT_THAT(pool.map(Scale{5}, items), ElementsAre(5, 10, 15));
}

TEST_P(PoolStartTest, StarmapTakesTuplesAndPairsOfArguments) {
  const Pool pool = ctx.Pool(2);

  EXPECT_THAT(pool.starmap(add, std::vector<std::pair<int, int>>{{1, 2}, {3, 4}}),
              ElementsAre(3, 7));
  EXPECT_THAT(pool.starmap(repeat, std::vector<std::tuple<std::string, int>>{{"x", 2}, {"y", 3}}),
              ElementsAre("xx", "yyy"));
}

TEST_P(PoolStartTest, HandlesTravelAsArgumentsAndAsResults) {
  const Pool pool = ctx.Pool(2);
  const Queue<int> queue;
  const Value<int> sum(0);

  const std::vector<Value<int>> same = pool.starmap(
      [](const Queue<int>& to, Value<int> count, int x) {
        to.put(x);
        count.update([](int& n) { ++n; });
        return count;
      },
      std::vector<std::tuple<Queue<int>, Value<int>, int>>{
          {queue, sum, 1}, {queue, sum, 2}, {queue, sum, 3}},
      3);

  EXPECT_EQ(sum.value(), 3);
  EXPECT_EQ(queue.get() + queue.get() + queue.get(), 6);
  ASSERT_EQ(same.size(), 3U);
  same[2].value() = 9;
  EXPECT_EQ(sum.value(), 9);
}

TEST_P(PoolStartTest, AConnectionTravelsAsAnArgumentAndAsAResult) {
  const Pool pool = ctx.Pool(1);
  auto [ours, theirs] = Pipe();

  Connection back = pool.apply(
      [](Connection end, int x) {
        end.send(x);
        return end;
      },
      theirs, 7);

  EXPECT_EQ(ours.recv<int>(), 7);
  back.send(8);
  EXPECT_EQ(ours.recv<int>(), 8);
}

TEST_P(PoolStartTest, TheInitializerRunsInEachWorkerBeforeItsFirstTask) {
  const Value<int> runs(0);
  const Pool pool = ctx.Pool(
      3,
      [](Value<int> count, const std::string& text) {
        worker_state<std::string>() = text;
        count.update([](int& n) { ++n; });
      },
      runs, "ready");

  const auto seen = pool.map([](int) { return worker_state<std::string>(); }, numbers(1, 20));

  EXPECT_THAT(seen, testing::Each(std::string("ready")));
  EXPECT_TRUE(eventually([&] { return runs.value() == 3; }));
}

TEST_P(PoolStartTest, AKilledWorkersTaskAloneIsLost) {
  const Pool pool = ctx.Pool(2);
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 20; ++i) {
    results.push_back(pool.apply_async(
        [](int x) {
          if (x == 7) ::kill(::getpid(), SIGKILL);
          return x;
        },
        i));
  }

  for (int i = 0; i < 20; ++i) {
    const auto& result = results[static_cast<std::size_t>(i)];
    if (i != 7) {
      EXPECT_EQ(result.get(), i);
      continue;
    }
    const auto lost = caught<WorkerLost>([&] { result.get(); });
    EXPECT_EQ(lost.exitcode(), -SIGKILL);
    EXPECT_GT(lost.pid(), 0);
    EXPECT_EQ(lost.task(), "item 0 of call 8");
  }
  EXPECT_EQ(pool.map(square, numbers(1, 50)).size(), 50U);
}

TEST_P(PoolStartTest, AWorkerIsNamedPoolWorker) {
  const Pool pool = ctx.Pool(1);
  EXPECT_THAT(pool.apply([] { return current_process().name(); }),
              testing::StartsWith("PoolWorker-"));
  EXPECT_TRUE(pool.apply([] { return current_process().daemon(); }));
}

TEST_P(PoolStartTest, AFreshWorkerTakesOverAfterSoManyTasks) {
  const Pool pool = ctx.Pool({.processes = 1, .maxtasksperchild = 2});
  std::vector<pid_t> pids;
  for (int i = 0; i < 6; ++i) pids.push_back(pool.apply(own_pid, i));

  EXPECT_EQ(pids[0], pids[1]);
  EXPECT_NE(pids[1], pids[2]);
  EXPECT_EQ(pids[2], pids[3]);
  EXPECT_NE(pids[3], pids[4]);
}

}  // namespace
}  // namespace multiprocessing::test
