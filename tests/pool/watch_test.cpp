// SPDX-License-Identifier: BSL-1.0
// What a pool tells of itself while it works.
#include <pty.h>

#include "pool_test.hpp"

namespace multiprocessing::test {
namespace {

using testing::HasSubstr;

class PoolWatchTest : public PoolTest {};

TEST_F(PoolWatchTest, StatsTellOfEachWorker) {
  const Pool pool(2);
  pool.map([](int) { std::this_thread::sleep_for(5ms); }, numbers(1, 20), 1);
  const pid_t killed = pool.stats()[0].pid;
  ::kill(killed, SIGKILL);
  ASSERT_TRUE(eventually([&] {
    const auto stats = pool.stats();
    return stats[0].pid != killed && stats[0].pid != 0;
  }));

  const std::vector<WorkerStats> stats = pool.stats();

  ASSERT_EQ(stats.size(), 2U);
  EXPECT_EQ(stats[0].restarts, 1U);
  EXPECT_EQ(stats[0].tasks, 0U);
  EXPECT_EQ(stats[1].restarts, 0U);
  EXPECT_GT(stats[1].tasks, 0U);
  EXPECT_GT(stats[1].busy_seconds, 0.004);
  EXPECT_GE(stats[1].idle_seconds, 0);
  EXPECT_THAT(stats[1].name, testing::StartsWith("PoolWorker-"));
}

TEST_F(PoolWatchTest, ProgressIsToldUpToTheEnd) {
  const Pool pool(2);
  std::vector<std::size_t> told;
  const auto results =
      pool.map(square, numbers(1, 100),
               {.chunksize = 10, .on_progress = [&](std::size_t done, std::size_t total) {
                  EXPECT_EQ(total, 100U);
                  told.push_back(done);
                }});
  EXPECT_EQ(results.size(), 100U);
  ASSERT_FALSE(told.empty());
  EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
  EXPECT_EQ(told.back(), 100U);
}

void with_standard_error(int descriptor, const std::function<void()>& act) {
  const int before = ::dup(STDERR_FILENO);
  ::dup2(descriptor, STDERR_FILENO);
  act();
  ::dup2(before, STDERR_FILENO);
  ::close(before);
}

TEST_F(PoolWatchTest, ProgressIsALineOnATerminalAndNothingElsewhere) {
  const auto work = [] {
    const Pool pool(2);
    pool.map(square, numbers(1, 1000), {.progress = true});
  };
  int ours = -1;
  int terminal = -1;
  ASSERT_EQ(::openpty(&ours, &terminal, nullptr, nullptr, nullptr), 0);
  with_standard_error(terminal, work);
  char text[4096] = {};
  ASSERT_GT(::read(ours, text, sizeof text - 1), 0);
  EXPECT_THAT(text, HasSubstr("1000/1000 100%"));
  ::close(ours);
  ::close(terminal);

  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  with_standard_error(ends[1], work);
  ::close(ends[1]);
  EXPECT_EQ(::read(ends[0], text, sizeof text), 0);
  ::close(ends[0]);
}

TEST_F(PoolWatchTest, AWorkersStateIsItsOwnAndKept) {
  worker_state<int>() = 50;
  const Pool pool(1);
  const auto next = [] { return ++worker_state<int>(); };
  EXPECT_EQ(pool.apply(next), 1);
  EXPECT_EQ(pool.apply(next), 2);
  EXPECT_EQ(worker_state<int>(), 50);
}

}  // namespace
}  // namespace multiprocessing::test
