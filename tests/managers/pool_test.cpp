// SPDX-License-Identifier: BSL-1.0
// Pools in a manager's server: what their proxies do as mp::Pool does, and what remains when
// processes on either side are killed.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <multiprocessing/partial.hpp>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "environment.hpp"
#include "fresh_program.hpp"
#include "manager_test.hpp"
#include "process/exit.hpp"
#include "process_state.hpp"

namespace multiprocessing {
namespace {

using test::eventually;
using test::ManagerTest;
using test::threads_of;
using namespace std::chrono_literals;

int square(int x) { return x * x; }
int add(int a, int b) { return a + b; }
[[noreturn]] void wait_for_ever() {
  for (;;) ::pause();
}

// A process that nobody has waited for yet is gone as well.
bool gone(pid_t pid) {
  const char state = test::state_of(pid);
  return state == '\0' || state == 'Z';
}

class PoolProxyTest : public ManagerTest {
 protected:
  [[nodiscard]] static pid_t server_pid() { return active_children().front().pid(); }
  [[nodiscard]] static std::vector<pid_t> pids_of(const PoolProxy& pool) {
    std::vector<pid_t> pids;
    for (const WorkerStats& worker : pool.stats()) pids.push_back(worker.pid);
    return pids;
  }
  [[nodiscard]] static bool all_gone(const std::vector<pid_t>& pids) {
    return eventually([&] { return std::all_of(pids.begin(), pids.end(), gone); });
  }

  const std::vector<int> numbers_{1, 2, 3, 4, 5, 6, 7};
  const std::vector<int> squares_{1, 4, 9, 16, 25, 36, 49};
};
UNDER_EVERY_START_METHOD(PoolProxyTest);

TEST_P(PoolProxyTest, CallsThatWaitGiveWhatTheyGiveWithAPool) {
  const auto pool = manager_.Pool(2);

  EXPECT_EQ(pool.apply(add, 2, 3), 5);
  EXPECT_EQ(pool.map(square, numbers_), squares_);
  EXPECT_EQ(pool.map(square, numbers_, 3), squares_);
  EXPECT_EQ(pool.map(partial(add, 10), {1, 2}), (std::vector<int>{11, 12}));
  EXPECT_EQ(pool.map([](const std::string& s) { return s + s; }, std::vector<std::string>{"a"}),
            (std::vector<std::string>{"aa"}));
  EXPECT_EQ(pool.starmap(add, std::vector{std::pair(1, 2), std::pair(3, 4)}),
            (std::vector<int>{3, 7}));
  EXPECT_TRUE(pool.map(square, std::vector<int>()).empty());
  pool.apply([] {});
}

TEST_P(PoolProxyTest, CallsThatDoNotWaitGiveResultsOfTheSameType) {
  const auto pool = manager_.Pool({.processes = 2});

  const AsyncResult<int> sum = pool.apply_async(add, 2, 3);
  const AsyncResult<std::vector<int>> list = pool.map_async(square, numbers_, {.chunksize = 2});
  const auto spread = pool.starmap_async(add, std::vector{std::tuple(1, 2)});

  EXPECT_EQ(sum.get(), 5);
  EXPECT_EQ(list.get(), squares_);
  EXPECT_EQ(spread.get(), std::vector<int>{3});
  EXPECT_TRUE(sum.wait(0s));
  EXPECT_TRUE(sum.ready());
  EXPECT_TRUE(sum.successful());
}

TEST_P(PoolProxyTest, AResultThatIsNotThereYetIsATimeoutErrorAndStillComes) {
  const auto pool = manager_.Pool(1);
  Event go;
  const auto result = pool.apply_async([](Event e) { return e.wait(), 7; }, go);

  EXPECT_THROW(result.get(0s), TimeoutError);
  EXPECT_FALSE(result.wait(10ms));
  EXPECT_FALSE(result.ready());
  EXPECT_THROW(static_cast<void>(result.successful()), ValueError);
  go.set();

  EXPECT_EQ(result.get(), 7);
}

TEST_P(PoolProxyTest, RangesOfResultsAreReadWhileTheyCome) {
  const auto pool = manager_.Pool(2);

  std::vector<int> ordered;
  for (const int result : pool.imap(square, numbers_, 2)) ordered.push_back(result);
  std::vector<int> any;
  for (const int result : pool.imap_unordered(square, numbers_)) any.push_back(result);
  std::sort(any.begin(), any.end());

  EXPECT_EQ(ordered, squares_);
  EXPECT_EQ(any, squares_);
  auto range = pool.imap(square, numbers_);
  EXPECT_EQ(range.next(), 1);
  EXPECT_EQ(range.next(10s), 4);
}

TEST_P(PoolProxyTest, ErrorsOfTasksArriveAsFromAPool) {
  const auto pool = manager_.Pool(1);

  EXPECT_THROW(pool.apply([]() -> int { throw KeyError("k"); }), KeyError);
  try {
    pool.apply([]() -> int { throw std::logic_error("why"); });
    ADD_FAILURE();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type_name(), "std::logic_error");
    EXPECT_EQ(error.message(), "why");
    EXPECT_EQ(error.pid(), pids_of(pool).front());
  }
  auto range = pool.imap([](int x) { return x == 2 ? throw ValueError("two") : x; },
                         std::vector<int>{1, 2, 3});
  EXPECT_EQ(range.next(), 1);
  EXPECT_THROW(range.next(), ValueError);
  EXPECT_EQ(range.next(), 3);
  EXPECT_FALSE(range.next());
}

TEST_P(PoolProxyTest, ATaskWhoseWorkerEndsIsLostAndAllOthersGoOn) {
  const auto pool = manager_.Pool(2);
  const auto others = pool.map_async(square, numbers_, {.chunksize = 1});

  try {
    pool.apply([] { ::raise(SIGKILL); });
    ADD_FAILURE();
  } catch (const WorkerLost& lost) {
    EXPECT_EQ(lost.exitcode(), -SIGKILL);
    EXPECT_FALSE(lost.task().empty());
  }

  EXPECT_EQ(others.get(), squares_);
  auto range = pool.imap(
      [](int x) {
        if (x == 2) ::raise(SIGKILL);
        return x;
      },
      std::vector<int>{1, 2, 3}, 3);
  EXPECT_EQ(range.next(), 1);
  EXPECT_THROW(range.next(), WorkerLost);
  EXPECT_EQ(range.next(), 3);
}

TEST_P(PoolProxyTest, ArgumentsOfThePoolGoToTheServer) {
  static int given = 0;
  const auto pool = manager_.Pool(
      {.processes = 1, .maxtasksperchild = 1}, [](int x) { given = x; }, 7);
  const auto impatient = manager_.Pool({.processes = 2, .task_timeout = 20ms});

  EXPECT_EQ(pool.apply([] { return given; }), 7);
  EXPECT_NE(pool.apply(::getpid), pool.apply(::getpid));
  EXPECT_EQ(impatient.stats().size(), 2U);
  EXPECT_THROW(impatient.apply(wait_for_ever), TimeoutError);
  EXPECT_THROW(pool.apply(wait_for_ever, TaskOptions{.timeout = 20ms}), TimeoutError);
  EXPECT_THROW(static_cast<void>(manager_.Pool(0)), ValueError);
  EXPECT_THROW(static_cast<void>(manager_.Pool({.maxtasksperchild = 0})), ValueError);
}

TEST_P(PoolProxyTest, WhatAnInitializerThrowsIsTheErrorOfEveryCall) {
  const auto pool = manager_.Pool(1, [] { throw ValueError("no beginning"); });

  EXPECT_THROW(pool.apply(square, 1), ValueError);
  EXPECT_THROW(pool.apply(square, 1), ValueError);
  EXPECT_THROW(static_cast<void>(manager_.Pool(1, [this] { static_cast<void>(this); })), TypeError);
}

TEST_P(PoolProxyTest, AfterCloseNoTaskIsTakenAndJoinWaitsForThoseThereAre) {
  const auto pool = manager_.Pool(2);
  const PoolProxy same = pool;
  Event go;
  const auto result = pool.apply_async([](Event e) { return e.wait(), 7; }, go);
  EXPECT_THROW(pool.join(), ValueError);

  pool.close();
  pool.close();

  EXPECT_THROW(pool.apply(square, 1), ValueError);
  EXPECT_THROW(pool.map(square, std::vector<int>()), ValueError);
  EXPECT_THROW(pool.apply_async(square, 1), ValueError);
  EXPECT_THROW(pool.imap(square, numbers_), ValueError);
  EXPECT_EQ(run(
                [](PoolProxy p) {
                  try {
                    p.map(square, std::vector<int>{1});
                    return;
                  } catch (const ValueError&) {
                    multiprocessing::exit(7);
                  }
                },
                pool),
            7);
  go.set();
  same.join();
  EXPECT_TRUE(result.ready());
  EXPECT_EQ(result.get(), 7);
  EXPECT_TRUE(all_gone(pids_of(pool)));
}

TEST_P(PoolProxyTest, TerminateEndsWhatRunsAndWhatWaits) {
  const auto pool = manager_.Pool(1);
  const auto pids = pids_of(pool);
  Event begun;
  const auto running = pool.apply_async(
      [](Event e) {
        e.set();
        wait_for_ever();
      },
      begun);
  const auto waiting = pool.map_async(square, numbers_);
  begun.wait();

  pool.terminate();
  pool.join();

  EXPECT_THROW(running.get(), BrokenProcessPool);
  EXPECT_THROW(waiting.get(), BrokenProcessPool);
  EXPECT_THROW(pool.apply(square, 1), ValueError);
  EXPECT_TRUE(all_gone(pids));
}

TEST_P(PoolProxyTest, WithItsLastProxyThePoolIsTerminated) {
  auto pool = std::optional(manager_.Pool(2));
  const auto pids = pids_of(*pool);
  auto result = std::optional(pool->apply_async(wait_for_ever));
  { const PoolProxy copy = *pool; }
  EXPECT_EQ(pool->apply(add, 2, 3), 5);

  pool.reset();

  EXPECT_TRUE(all_gone(pids));
  EXPECT_THROW(result->get(), BrokenProcessPool);
  result.reset();
  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() == 0; }));
}

TEST_P(PoolProxyTest, AChildUsesTheProxyAndLeavesThePoolToTheOthers) {
  const auto pool = manager_.Pool(2);
  EXPECT_EQ(pool.apply(square, 3), 9);

  EXPECT_EQ(run(
                [](PoolProxy p) {
                  if (p.apply(square, 5) != 25) multiprocessing::exit(1);
                  int sum = 0;
                  for (const int x : p.imap(square, std::vector<int>{1, 2, 3})) sum += x;
                  multiprocessing::exit(sum);
                },
                pool),
            14);

  EXPECT_EQ(pool.apply(square, 4), 16);
}

TEST_P(PoolProxyTest, AForkedChildUsesAnInheritedProxyButNoResultOfItsParent) {
  const auto pool = manager_.Pool(1);
  const auto result = pool.apply_async(square, 3);
  EXPECT_EQ(result.get(), 9);
  Event go;
  const auto waiting = pool.apply_async([](Event e) { e.wait(); }, go);

  EXPECT_EQ(test::in_child([&] {
              try {
                waiting.get();
                return 1;
              } catch (const RuntimeError&) {
                go.set();
              }
              return pool.apply(square, 5) == 25 ? 0 : 2;
            }),
            0);

  waiting.get();
}

TEST_P(PoolProxyTest, TravelsThroughQueuesAndLivesInOtherObjects) {
  const auto pools = manager_.dict<std::string, PoolProxy>();
  Queue<PoolProxy> queue;
  {
    const auto pool = manager_.Pool(1);
    pools["a"] = pool;
    queue.put(pool);
  }

  EXPECT_EQ(pools.at("a").apply(square, 5), 25);
  EXPECT_EQ(pools.at("a"), queue.get());

  const auto pids = pids_of(pools.at("a"));
  pools.clear();
  EXPECT_TRUE(all_gone(pids));
}

TEST_P(PoolProxyTest, SharedObjectsAndProxiesAreArgumentsAndResults) {
  const auto pool = manager_.Pool(1);
  const auto list = manager_.list<int>();
  auto [here, there] = Pipe();

  const auto same = pool.apply(
      [](ListProxy<int> l, Connection c) {
        l.append(1);
        c.send(2);
        return l;
      },
      list, there);
  const auto queue = pool.apply([] {
    Queue<std::string> made;
    made.put(std::string(100'000, 'x'));
    return made;
  });

  EXPECT_EQ(same, list);
  EXPECT_EQ(same.copy(), std::vector<int>{1});
  EXPECT_EQ(here.recv<int>(), 2);
  EXPECT_EQ(queue.get().size(), 100'000U);
  EXPECT_EQ(pool.apply([](const std::string& s) { return s; }, std::string(3'000'000, 'y')).size(),
            3'000'000U);
}

TEST_P(PoolProxyTest, CallbacksMayUseThePoolAndHaveRunWhenJoinReturns) {
  const auto pool = manager_.Pool(2);
  std::atomic<int> sum{0};
  std::atomic<std::size_t> last{0};

  const auto first = pool.apply_async(square, 3);
  first.then([&](int x) { sum += pool.apply(add, x, 1); });
  pool.apply_async([]() -> int { throw ValueError("v"); })
      .then([](int) {}, [&](const std::exception&) { sum += 100; });
  pool.map_async(square, numbers_,
                 {.on_progress = [&](std::size_t done, std::size_t) { last = done; }});
  first.wait();
  pool.close();
  pool.join();

  EXPECT_EQ(sum, 110);
  EXPECT_EQ(last, 7U);
}

bool has_thread(const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string comm;
    std::getline(std::ifstream(task.path() / "comm") >> std::ws, comm);
    if (comm == name) return true;
  }
  return false;
}

TEST_P(PoolProxyTest, AProcessEndsWithResultsDueAndFetchesNoMoreOfThem) {
  const auto pool = manager_.Pool(1);
  const auto child = [](PoolProxy p) {
    static const auto due = p.apply_async(wait_for_ever);
    const std::string name = "mp pool results";
    if (!eventually([&] { return has_thread(name); })) multiprocessing::exit(1);
    process::add_finalizer(
        -1, [name] { ::_exit(eventually([&] { return !has_thread(name); }) ? 0 : 2); });
  };

  EXPECT_EQ(run(child, pool), 0);
}

TEST_P(PoolProxyTest, CallsOfManyThreadsGoSideBySide) {
  const auto pool = manager_.Pool(2);
  Event go;
  const auto slow = pool.apply_async([](Event e) { e.wait(); }, go);
  std::vector<std::thread> threads;
  std::atomic<int> sum{0};

  for (int i = 0; i < 8; ++i) threads.emplace_back([&, i] { sum += pool.apply(square, i); });
  for (std::thread& thread : threads) thread.join();
  go.set();

  EXPECT_EQ(sum, 140);
  slow.get();
}

TEST_P(PoolProxyTest, WhenTheServerIsKilledWhoWaitsGetsEOFErrorAndTheWorkersEnd) {
  const auto pool = manager_.Pool(3);
  const auto pids = pids_of(pool);
  Semaphore begun(0);
  constexpr auto wait = [](Semaphore s) {
    s.release();
    wait_for_ever();
    return 1;
  };
  const auto result = pool.apply_async(wait, begun);
  auto range = pool.imap(wait, std::vector{begun});
  std::thread waiting([&] { EXPECT_THROW(pool.apply(wait, begun), EOFError); });
  begun.acquire_many(3);
  pool.close();
  // It may come too late to be connected.
  std::thread joining([&] { EXPECT_ANY_THROW(pool.join()); });

  ::kill(server_pid(), SIGKILL);

  EXPECT_THROW(result.get(), EOFError);
  EXPECT_THROW(range.next(), EOFError);
  waiting.join();
  joining.join();
  EXPECT_ANY_THROW(pool.apply(square, 1));
  EXPECT_TRUE(all_gone(pids));
}

TEST_P(PoolProxyTest, OfAKilledClientNothingRemains) {
  const auto pool = manager_.Pool(1);
  Event begun;
  Event go;
  const auto ran = manager_.list<int>();
  const int before = threads_of(server_pid());
  auto client = context_.Process(
      [](PoolProxy p, Event b, Event g, ListProxy<int> l) {
        const auto first = p.apply_async(
            [](Event begins, Event ends) {
              begins.set();
              ends.wait();
            },
            b, g);
        p.map([](ListProxy<int> list) { list.append(1); }, std::vector{l, l, l},
              MapOptions{.chunksize = 1});
      },
      pool, begun, go, ran);
  client.start();
  begun.wait();
  EXPECT_EQ(manager_.number_of_objects(), 3U);

  client.kill();
  client.join();

  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() == 2; }));
  // The server ends one object after the other: with this one the client's has ended, too.
  { const auto next = manager_.list<int>(); }
  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() == 2; }));
  go.set();
  EXPECT_EQ(pool.apply(square, 2), 4);
  EXPECT_EQ(ran.size(), 0U);
  EXPECT_TRUE(eventually([&] { return threads_of(server_pid()) <= before + 3; }));
}

TEST_P(PoolProxyTest, ResultsThatAreTooLongAreAValueErrorForTheirItemsAlone) {
  SyncManager manager(ManagerOptions{.max_message_bytes = 10'000});
  manager.start();
  const auto pool = manager.Pool(1);
  constexpr auto make = [](std::size_t size) { return std::string(size, 'x'); };

  auto range = pool.imap(make, std::vector<std::size_t>{5'000, 20'000, 6'000});

  EXPECT_EQ(range.next()->size(), 5'000U);
  EXPECT_THROW(range.next(), ValueError);
  EXPECT_EQ(range.next()->size(), 6'000U);
  EXPECT_THROW(pool.apply([](const std::string& s) { return s.size(); }, make(20'000)), ValueError);
  EXPECT_EQ(pool.apply(square, 3), 9);
}

TEST_P(PoolProxyTest, AProxyOfNothingIsAValueError) {
  const PoolProxy pool;

  EXPECT_THROW(pool.apply(square, 1), ValueError);
  EXPECT_THROW(pool.close(), ValueError);
  EXPECT_THROW(pool.join(), ValueError);
}

SyncManager connected() {
  SyncManager manager({"127.0.0.1", std::stoi(test::variable("PORT"))}, "secret");
  manager.connect();
  return manager;
}

FRESH_SCENARIO(use_a_pool) {
  const SyncManager manager = connected();
  const auto pool = manager.Pool(2);
  if (pool.map(square, std::vector<int>{1, 2, 3}) != std::vector<int>{1, 4, 9}) return 1;
  const auto list = manager.list<int>();
  pool.apply([](ListProxy<int> l) { l.append(1); }, list);
  if (list.size() != 1) return 2;
  try {
    pool.apply([] { return Lock(); });
    return 3;
  } catch (const TypeError&) {
    return 0;
  }
}

class PoolOfAStrangerTest : public testing::Test {
 protected:
  PoolOfAStrangerTest() { manager_.start(); }
  [[nodiscard]] std::string port() const {
    return "PORT=" + std::to_string(manager_.address().port());
  }

  test::Watchdog watchdog_{60s};
  SyncManager manager_{{"127.0.0.1", 0}, "secret"};
};

TEST_F(PoolOfAStrangerTest, AnotherProcessOfTheSameProgramUsesItAndItEndsWithIt) {
  EXPECT_EQ(::test::run_fresh("use_a_pool", {port()}), 0);
  EXPECT_TRUE(eventually([&] { return manager_.debug_info().find("Pool") == std::string::npos; }));
}

TEST_F(PoolOfAStrangerTest, TasksOfAnotherProgramAreRefused) {
  EXPECT_EQ(::test::run_fresh("", {port()}, MANAGERS_TESTS_OTHER_PROGRAM), 0);
}

}  // namespace
}  // namespace multiprocessing
