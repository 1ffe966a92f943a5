// SPDX-License-Identifier: BSL-1.0
// Queue and SimpleQueue as their users know them from Python.
#include <array>
#include <cstdlib>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "fresh_program.hpp"
#include "queue_test.hpp"

namespace {

// Not in the other tests, which count what is there.
std::optional<mp::Queue<int>> made_before_main =
    std::getenv("QUEUE_BEFORE_MAIN") == nullptr ? std::nullopt : std::optional(mp::Queue<int>());

FRESH_SCENARIO(queue_before_main) {
  made_before_main->put(3);
  return mp::test::in_child([] { return made_before_main->get() == 3; });
}

}  // namespace

namespace multiprocessing::test {
namespace {

TEST_F(QueueTest, FirstInFirstOut) {
  const mp::Queue<int> q;
  for (int i = 0; i < 1000; ++i) q.put(i);

  for (int i = 0; i < 1000; ++i) ASSERT_EQ(q.get(), i);
}

TEST_F(QueueTest, APutThatReturnedIsSeenByTheNextGetAnywhere) {
  const mp::Queue<std::string> q;
  for (int i = 0; i < 100; ++i) {
    q.put("hello");
    EXPECT_EQ(in_child([&] { return q.get_nowait() == "hello"; }), 0);
  }
}

TEST_F(QueueTest, AnEmptyQueueIsEmptyAtOnceAndAfterTheTime) {
  const mp::Queue<int> q;
  EXPECT_THROW(static_cast<void>(q.get_nowait()), mp::Empty);
  EXPECT_THROW(static_cast<void>(q.get(false)), mp::Empty);
  EXPECT_THROW(static_cast<void>(q.get(false, 5h)), mp::Empty);
  EXPECT_THROW(static_cast<void>(q.get(-1s)), mp::Empty);
  const auto start = Clock::now();
  EXPECT_THROW(static_cast<void>(q.get(60ms)), mp::Empty);
  EXPECT_GE(since(start), 60ms);
  EXPECT_THROW(static_cast<void>(q.get(true, 60ms)), mp::Empty);
  EXPECT_GE(since(start), 120ms);
}

TEST_F(QueueTest, AFullQueueIsFullAtOnceAndAfterTheTime) {
  const mp::Queue<int> q(2);
  q.put(1);
  q.put(2, true);
  EXPECT_THROW(q.put_nowait(3), mp::Full);
  EXPECT_THROW(q.put(3, false), mp::Full);
  EXPECT_THROW(q.put(3, false, 5h), mp::Full);
  const auto start = Clock::now();
  EXPECT_THROW(q.put(3, 60ms), mp::Full);
  EXPECT_THROW(q.put(3, true, 60ms), mp::Full);
  EXPECT_GE(since(start), 120ms);
  EXPECT_EQ(q.get(), 1);
  q.put_nowait(3);
  EXPECT_EQ(q.get(), 2);
  EXPECT_EQ(q.get(), 3);
}

TEST_F(QueueTest, AMessageThatFoundNoRoomLeavesNothing) {
  const mp::Queue<std::string> q(1);
  q.put(std::string(100'000, 'a'));
  EXPECT_THROW(q.put(std::string(100'000, 'b'), 1ms), mp::Full);
  EXPECT_EQ(q.get(), std::string(100'000, 'a'));
  EXPECT_TRUE(q.empty());
}

TEST_F(QueueTest, WaitingEndsWithThePutOfAnotherProcess) {
  const mp::Queue<int> q;
  const Child child([&] { q.put(7); });
  EXPECT_EQ(q.get(10s), 7);
}

TEST_F(QueueTest, WaitingForRoomEndsWithTheGetOfAnotherProcess) {
  const mp::Queue<int> q(1);
  q.put(1);
  Child child([&] { return q.get() == 1; });
  q.put(2, 10s);
  EXPECT_EQ(child.wait(), 0);
  EXPECT_EQ(q.get(), 2);
}

TEST_F(QueueTest, SizeEmptyAndFullAreExact) {
  const mp::Queue<int> q(3);
  EXPECT_TRUE(q.empty());
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(q.qsize(), i);
    EXPECT_FALSE(q.full());
    q.put(1);
    EXPECT_FALSE(q.empty());
  }
  EXPECT_TRUE(q.full());
  EXPECT_EQ(in_child([&] { return q.qsize() == 3 && q.full() && q.get() == 1; }), 0);
  EXPECT_EQ(q.qsize(), 2U);
  static_cast<void>(q.get());
  static_cast<void>(q.get());
  EXPECT_TRUE(q.empty());
}

TEST_F(QueueTest, AQueueOfLessThanNothingIsAValueError) {
  EXPECT_THROW(mp::Queue<int>(-1), mp::ValueError);
  EXPECT_THROW(mp::JoinableQueue<int>(-1), mp::ValueError);
}

template <class Q, class... Args>
concept CanGet = requires(Q q, Args... args) {
  q.get(args...);
};
template <class Q, class... Args>
concept CanPut = requires(Q q, Args... args) {
  q.put(1, args...);
};

TEST_F(QueueTest, ABareNumberIsNoTimeout) {
  using Q = mp::Queue<int>;
  using Seconds = std::chrono::duration<double>;
  static_assert(!CanGet<Q, int> && !CanGet<Q, double> && !CanGet<Q, bool, int>);
  static_assert(!CanGet<Q, std::nullptr_t> && !CanGet<Q, int, Seconds>);
  static_assert(!CanPut<Q, int> && !CanPut<Q, double> && !CanPut<Q, bool, int>);
  static_assert(CanGet<Q> && CanGet<Q, bool> && CanGet<Q, bool, Seconds> && CanGet<Q, Seconds>);
  static_assert(CanPut<Q> && CanPut<Q, bool> && CanPut<Q, bool, Seconds> && CanPut<Q, Seconds>);
  static_assert(CanGet<Q, mp::Forever> && CanPut<Q, mp::Forever>);
}

TEST_F(QueueTest, AProducerIsJoinedBeforeTheQueueIsDrained) {
  const mp::Queue<std::vector<int>> q;
  const int code = in_child([&] {
    for (int i = 0; i < 100; ++i) q.put(std::vector<int>(100'000, i));
  });
  EXPECT_EQ(code, 0);
  for (int i = 0; i < 100; ++i) ASSERT_EQ(q.get(), std::vector<int>(100'000, i));
}

TEST_F(QueueTest, EveryMessageIsReceivedOnceAndInOrderPerProducer) {
  constexpr int kProducers = 3;
  constexpr int kEach = 20'000;
  const mp::Queue<std::pair<int, int>> q(100);
  const mp::Queue<std::array<int, kProducers>> results;
  std::vector<Child> children;
  for (int p = 0; p < kProducers; ++p) {
    children.emplace_back([&q, p] {
      for (int i = 1; i <= kEach; ++i) q.put({p, i});
    });
  }
  for (int c = 0; c < 3; ++c) {
    children.emplace_back([&] {
      std::array<int, kProducers> last{};
      std::array<int, kProducers> count{};
      for (auto [p, i] = q.get(); p >= 0; std::tie(p, i) = q.get()) {
        const auto from = static_cast<std::size_t>(p);
        if (i <= last[from]) return 1;
        last[from] = i;
        ++count[from];
      }
      results.put(count);
      return 0;
    });
  }
  for (int p = 0; p < kProducers; ++p) EXPECT_EQ(children[static_cast<std::size_t>(p)].wait(), 0);
  for (int c = 0; c < 3; ++c) q.put({-1, 0});
  std::array<int, kProducers> sum{};
  for (int c = 0; c < 3; ++c) {
    const auto count = results.get();
    for (std::size_t p = 0; p < kProducers; ++p) sum[p] += count[p];
  }
  for (const int received : sum) EXPECT_EQ(received, kEach);
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
}

TEST_F(QueueTest, ThreadsOfAProcessShareAHandle) {
  const mp::Queue<int> q(10);
  std::atomic<long> sum{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&q] {
      for (int i = 1; i <= 5000; ++i) q.put(i);
    });
    threads.emplace_back([&q, &sum] {
      for (int i = 1; i <= 5000; ++i) sum += q.get();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 3L * 5000 * 5001 / 2);
}

TEST(GlobalQueue, AHandleMayBeMadeBeforeMain) {
  EXPECT_EQ(::test::run_fresh("queue_before_main", {"QUEUE_BEFORE_MAIN=1"}), 0);
}

TEST_F(QueueTest, CopiesNameTheSameQueue) {
  mp::Queue<int> q;
  mp::Queue<int> copy = q;
  mp::Queue<int> moved = std::move(q);
  copy.put(1);
  EXPECT_EQ(moved.get(), 1);
  EXPECT_TRUE(moved == copy);
  EXPECT_FALSE(copy == mp::Queue<int>());
  q = std::move(moved);
  moved.put(2);
  EXPECT_EQ(q.get(), 2);
}

TEST_F(QueueTest, WhatCloseClosesIsThisProcesssHandles) {
  const mp::Queue<int> q;
  const mp::Queue<int> copy = q;
  q.put(1);
  Child before([&] {
    while (!q.empty()) std::this_thread::yield();
    q.put(2);
    return true;
  });
  q.close();
  q.close();
  EXPECT_THROW(q.put(1), mp::ValueError);
  EXPECT_THROW(copy.put_nowait(1), mp::ValueError);
  EXPECT_THROW(static_cast<void>(copy.get(0s)), mp::ValueError);
  EXPECT_THROW(static_cast<void>(copy.empty()), mp::ValueError);
  EXPECT_THROW(static_cast<void>(same_as<mp::Queue<int>>(q).get()), mp::ValueError);
  EXPECT_EQ(copy.qsize(), 1U);
  EXPECT_FALSE(copy.full());
  // A child forked now begins with what its parent has closed.
  EXPECT_EQ(in_child([&] {
              try {
                q.put(1);
              } catch (const mp::ValueError&) {
                return true;
              }
              return false;
            }),
            0);
}

TEST_F(QueueTest, ThereIsNoThreadToJoin) {
  const mp::Queue<int> q;
  EXPECT_THROW(q.join_thread(), mp::AssertionError);
  q.cancel_join_thread();
  q.put(1);
  q.close();
  q.join_thread();
}

TEST_F(QueueTest, ErrorsSayWhichQueueWhatWasAskedAndWhatToDo) {
  const mp::Queue<int> q(1);
  const auto text_of_error = [](auto call) {
    try {
      call();
    } catch (const mp::Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(text_of_error([&] { static_cast<void>(q.get(10ms)); }),
            "Queue(maxsize=1) is empty: get() waited for 0.01 s; put into it, or allow more time");
  q.put(1);
  EXPECT_EQ(text_of_error([&] { q.put_nowait(1); }),
            "Queue(maxsize=1) is full: put() did not wait; take from it, or allow more time");
  q.close();
  EXPECT_EQ(text_of_error([&] { q.put(1); }),
            "Queue(maxsize=1) is closed in this process: put() is not possible after close()");
}

TEST_F(QueueTest, ASimpleQueueHasNoLimitAndCanAllElseThatAQueueCan) {
  const mp::SimpleQueue<int> q;
  EXPECT_TRUE(q.empty());
  for (int i = 0; i < 10'000; ++i) q.put(i);
  EXPECT_FALSE(q.empty());
  EXPECT_FALSE(q.full());
  EXPECT_EQ(q.qsize(), 10'000U);
  EXPECT_EQ(in_child([&] {
              for (int i = 0; i < 10'000; ++i) {
                if (q.get() != i) return false;
              }
              return q.empty();
            }),
            0);
  EXPECT_THROW(static_cast<void>(q.get_nowait()), mp::Empty);
  EXPECT_THROW(static_cast<void>(q.get(1ms)), mp::Empty);
  EXPECT_THROW(static_cast<void>(q.get(true, 1ms)), mp::Empty);
  q.put(1, 1s);
  q.put(2, true, 1s);
  q.put_nowait(3);
  EXPECT_EQ(q.qsize(), 3U);
  q.close();
  q.close();
  q.join_thread();
  EXPECT_THROW(static_cast<void>(q.empty()), mp::ValueError);
  EXPECT_THROW(q.put(1), mp::ValueError);
}

}  // namespace
}  // namespace multiprocessing::test
