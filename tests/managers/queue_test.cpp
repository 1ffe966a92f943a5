// SPDX-License-Identifier: BSL-1.0
#include <unistd.h>

#include "manager_test.hpp"
#include "process_state.hpp"

namespace multiprocessing {
namespace {

using test::Clock;
using test::ManagerTest;
using namespace std::chrono_literals;

class QueueTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(QueueTest);

void put_all(QueueProxy<int> queue) {
  for (int i = 0; i < 10; ++i) queue.put(i);
}

TEST_P(QueueTest, GivesWhatAnotherProcessPutsInItsOrder) {
  const auto queue = manager_.Queue<int>();

  EXPECT_EQ(run(put_all, queue), 0);

  EXPECT_EQ(queue.qsize(), 10U);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(queue.get(), i);
  EXPECT_TRUE(queue.empty());
}

TEST_P(QueueTest, IsFullOrEmptyAtOnceOrWhenTheTimeIsOver) {
  const auto queue = manager_.Queue(1);
  queue.put("x");

  EXPECT_TRUE(queue.full());
  EXPECT_THROW(queue.put_nowait(1), Full);
  const auto begin = Clock::now();
  EXPECT_THROW(queue.put(1, 50ms), Full);
  EXPECT_GE(Clock::now() - begin, 50ms);
  EXPECT_EQ(queue.get_nowait(), "x");
  EXPECT_THROW(static_cast<void>(queue.get_nowait()), Empty);
  EXPECT_THROW(static_cast<void>(queue.get(50ms)), Empty);
  EXPECT_THROW(static_cast<void>(queue.get(true, 1ms)), Empty);
}

TEST_P(QueueTest, WhoWaitsIsWokenByAPut) {
  const auto queue = manager_.Queue<std::string>();
  auto child = context_.Process([](QueueProxy<std::string> q) { q.put(q.get() + "!"); }, queue);
  child.start();

  queue.put("hello");
  child.join();

  EXPECT_EQ(queue.get(10s), "hello!");
}

TEST_P(QueueTest, AMessageOfAnotherTypeIsATypeErrorThatNamesBoth) {
  const auto numbers = manager_.Queue<int>();
  const auto child = [](QueueProxy<int> q) { q.call<void>("put", std::string("text")); };

  EXPECT_EQ(run(child, numbers), 0);

  EXPECT_THROW(static_cast<void>(numbers.get()), TypeError);
}

TEST_P(QueueTest, AKilledWaiterTakesNothing) {
  const auto queue = manager_.Queue<int>();
  const auto ready = manager_.Event();
  auto child = context_.Process(
      [](QueueProxy<int> q, EventProxy waits) {
        waits.set();
        static_cast<void>(q.get());
      },
      queue, ready);
  child.start();
  ready.wait();

  child.kill();
  child.join();
  queue.put(1);
  queue.put(2);

  EXPECT_EQ(queue.get(10s), 1);
  EXPECT_EQ(queue.get(10s), 2);
}

TEST_P(QueueTest, HoldsHandlesAndOtherProxies) {
  const auto queue = manager_.Queue<std::pair<Lock, ListProxy<int>>>();
  Lock lock;
  queue.put({lock, manager_.list<int>({1})});

  const int exitcode = run(
      [](QueueProxy<std::pair<Lock, ListProxy<int>>> q) {
        auto [taken, list] = q.get();
        taken.acquire();
        list.append(2);
        taken.release();
      },
      queue);

  EXPECT_EQ(exitcode, 0);
  EXPECT_FALSE(lock.locked());
}

class JoinableQueueTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(JoinableQueueTest);

TEST_P(JoinableQueueTest, IsJoinedWhenAllIsMarked) {
  const auto queue = manager_.JoinableQueue<int>();
  auto child = context_.Process(
      [](JoinableQueueProxy<int> q) {
        for (int i = 0; i < 5; ++i) {
          static_cast<void>(q.get());
          q.task_done();
        }
      },
      queue);
  for (int i = 0; i < 5; ++i) queue.put(i);
  EXPECT_FALSE(queue.join(10ms));
  child.start();

  queue.join();
  child.join();

  EXPECT_THROW(queue.task_done(), ValueError);
}

void take_one_and_stay(JoinableQueueProxy<int> queue, EventProxy has_taken) {
  static_cast<void>(queue.get());
  has_taken.set();
  for (;;) ::pause();
}

TEST_P(JoinableQueueTest, SaysWhatAKilledConsumerTookWithIt) {
  const auto queue = manager_.JoinableQueue<int>();
  const auto taken = manager_.Event();
  queue.put(1);
  queue.put(2);
  auto child = context_.Process(take_one_and_stay, queue, taken);
  child.start();
  taken.wait();
  static_cast<void>(queue.get());
  queue.task_done();

  child.kill();

  try {
    queue.join();
    FAIL();
  } catch (const OwnerDiedError& error) {
    EXPECT_EQ(error.pid(), child.pid());
    EXPECT_EQ(error.lost(), 1U);
  }
  queue.join();
}

TEST_P(JoinableQueueTest, AnItemThatAnotherClientMarkedIsNotLostWithItsTaker) {
  const auto queue = manager_.JoinableQueue<int>();
  const auto taken = manager_.Event();
  queue.put(1);
  queue.put(2);
  const pid_t server = active_children().front().pid();
  const int threads = test::threads_of(server);
  auto child = context_.Process(take_one_and_stay, queue, taken);
  child.start();
  taken.wait();
  queue.task_done();

  child.kill();
  child.join();
  EXPECT_TRUE(test::eventually([&] { return test::threads_of(server) <= threads; }));

  EXPECT_FALSE(queue.join(0s));
  static_cast<void>(queue.get());
  queue.task_done();
  EXPECT_TRUE(queue.join(0s));
}

}  // namespace
}  // namespace multiprocessing
