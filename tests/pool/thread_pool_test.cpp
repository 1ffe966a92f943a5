// SPDX-License-Identifier: BSL-1.0
// The same calls on threads.
#include <pthread.h>

#include <mutex>
#include <set>

#include "pool_test.hpp"

namespace multiprocessing::test {
namespace {

using testing::ElementsAre;

class ThreadPoolTest : public PoolTest {};

TEST_F(ThreadPoolTest, AnyCallableAndAnyTypeIsATask) {
  const ThreadPool pool(3);
  int captured = 10;
  EXPECT_EQ(pool.apply([&](int x) { return captured + x; }, 5), 15);
  EXPECT_THAT(pool.map([&](int x) { return x * captured; }, {1, 2, 3}), ElementsAre(10, 20, 30));
  int* const pointer = pool.apply([&] { return &captured; });
  EXPECT_EQ(pointer, &captured);
  EXPECT_THAT(pool.starmap([](int a, int b) { return a - b; },
                           std::vector<std::pair<int, int>>{{3, 1}, {5, 1}}),
              ElementsAre(2, 4));
  EXPECT_THAT(pool.map([](int x) { return x % 2 == 0; }, numbers(1, 3)),
              ElementsAre(false, true, false));
}

TEST_F(ThreadPoolTest, ErrorsArriveAsTheyWereThrown) {
  struct Own {
    int code;
  };
  const ThreadPool pool(2);
  EXPECT_EQ(caught<Own>([&] { pool.apply([] { throw Own{7}; }); }).code, 7);
  EXPECT_THROW(pool.map([](int x) { return 10 / (x == 2 ? throw KeyError("2") : x); }, {1, 2, 3}),
               KeyError);
}

TEST_F(ThreadPoolTest, ExitInATaskFailsThatTaskAloneAsInAPool) {
  const ThreadPool pool(1);
  std::atomic<int> unwound{0};
  struct Unwinding {
    std::atomic<int>& count;
    ~Unwinding() { ++count; }
  };
  const auto leave = [&](int x) {
    const Unwinding unwinding{unwound};
    if (x == 2) multiprocessing::exit(3);
    return std::to_string(x);
  };

  const auto left = pool.apply_async(leave, 2);
  const auto error = caught<RemoteError>([&] { left.get(); });
  EXPECT_THAT(error.type_name(), testing::HasSubstr("SystemExit"));
  EXPECT_EQ(error.message(), "exit(3)");
  EXPECT_EQ(error.pid(), ::getpid());
  EXPECT_EQ(unwound, 1);
  EXPECT_THROW(pool.map(leave, numbers(1, 3)), RemoteError);
  auto results = pool.imap(leave, numbers(1, 3));
  EXPECT_EQ(results.next(), "1");
  EXPECT_THROW(results.next(), RemoteError);
  EXPECT_EQ(results.next(), "3");
  EXPECT_EQ(pool.apply(leave, 4), "4");
}

TEST_F(ThreadPoolTest, ExitInAnInitializerBreaksThePoolWithThatError) {
  const ThreadPool pool(2, [] { multiprocessing::exit(3); });
  EXPECT_EQ(caught<RemoteError>([&] { pool.apply(square, 2); }).message(), "exit(3)");
}

TEST_F(ThreadPoolTest, ATaskThatEndsItsThreadFailsAloneAndAnotherThreadGoesOn) {
  const ThreadPool pool(1);
  const auto leave = [](int x) {
    if (x % 2 == 0) ::pthread_exit(nullptr);
    return x;
  };

  auto results = pool.imap(leave, numbers(1, 6), 3);
  for (int i = 1; i <= 6; ++i) {
    if (i % 2 == 0) {
      EXPECT_THROW(results.next(), RuntimeError);
    } else {
      EXPECT_EQ(results.next(), i);
    }
  }
  EXPECT_THROW(pool.apply(leave, 2), RuntimeError);
  EXPECT_EQ(pool.apply(leave, 3), 3);
  const auto last = pool.apply_async(leave, 4);
  pool.close();
  pool.join();
  EXPECT_THROW(last.get(), RuntimeError);
}

TEST_F(ThreadPoolTest, AnInitializerThatEndsItsThreadBreaksThePool) {
  const ThreadPool pool(2, [] { ::pthread_exit(nullptr); });
  EXPECT_THROW(pool.apply(square, 2), RuntimeError);
}

TEST_F(ThreadPoolTest, ImapAndCallbacksWorkAsInAPool) {
  ThreadPool pool(2);
  std::vector<int> seen;
  for (const int x : pool.imap([](int x) { return x + 1; }, numbers(1, 100), 3)) seen.push_back(x);
  EXPECT_EQ(seen, numbers(2, 101));
  std::atomic<int> called{0};
  for (int i = 0; i < 20; ++i) pool.apply_async(square, i).then([&](int) { ++called; });
  pool.close();
  pool.join();
  EXPECT_EQ(called, 20);
  EXPECT_THROW(pool.apply(square, 1), ValueError);
}

TEST_F(ThreadPoolTest, EachThreadHasItsOwnState) {
  const ThreadPool pool(
      3, [](int start) { worker_state<int>() = start; }, 100);
  const auto seen = pool.map([](int) { return ++worker_state<int>(); }, numbers(1, 30), 1);
  EXPECT_THAT(seen, testing::Each(testing::Gt(100)));
  EXPECT_THAT(seen, testing::Each(testing::Le(130)));
}

TEST_F(ThreadPoolTest, TerminateFailsWhatHasNotBegun) {
  ThreadPool pool(1);
  std::atomic<bool> go{false};
  std::atomic<bool> begun{false};
  const auto first = pool.apply_async([&] {
    begun = true;
    while (!go) std::this_thread::yield();
  });
  const auto second = pool.apply_async(square, 2);
  ASSERT_TRUE(eventually([&] { return begun.load(); }));
  pool.terminate();
  EXPECT_THROW(second.get(), BrokenProcessPool);
  go = true;
  first.get();
}

TEST_F(ThreadPoolTest, JoinWaitsForAllThreadsWhoeverElseDoes) {
  for (int i = 0; i < 20; ++i) {
    const ThreadPool pool(1);
    std::atomic<bool> go{false};
    std::atomic<bool> ended{false};
    const auto result = pool.apply_async([&] {
      while (!go) std::this_thread::yield();
      std::this_thread::sleep_for(5ms);
      ended = true;
    });
    pool.close();
    const auto join = [&] {
      pool.join();
      EXPECT_TRUE(ended);
    };
    std::thread other(join);
    std::this_thread::sleep_for(1ms);
    go = true;
    join();
    other.join();
  }
}

TEST_F(ThreadPoolTest, WhatIsCalledWhileItEndsEndsToo) {
  for (int i = 0; i < rounds(300, 20'000); ++i) {
    const ThreadPool pool(2);
    std::atomic<int> got{0};
    std::thread caller([&] {
      try {
        for (;; ++got) EXPECT_TRUE(pool.apply_async(square, 3).wait(20s));
      } catch (const ValueError&) {
      }
    });
    while (got < 3) std::this_thread::yield();
    i % 2 == 0 ? pool.terminate() : pool.close();
    caller.join();
  }
}

}  // namespace
}  // namespace multiprocessing::test
