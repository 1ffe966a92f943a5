// SPDX-License-Identifier: BSL-1.0
// Queue, JoinableQueue and SimpleQueue.
#include <map>
#include <numeric>

#include "across_processes.hpp"

namespace multiprocessing::test {
namespace {

using QueuesAcross = AcrossProcesses;
BY_EVERY_START_METHOD(QueuesAcross);

TEST_P(QueuesAcross, MessagesOfEveryKindComeWhole) {
  using Record = std::tuple<int, std::string, std::vector<double>, std::map<std::string, int>>;
  const auto records = ctx.Queue<Record>();
  const auto objects = ctx.Queue();
  const Process echo = start(
      [](const Queue<Record>& typed, const Queue<>& any) {
        const Record record = typed.get(30s);
        any.put(any.get(30s));
        typed.put(record);
      },
      records, objects);
  const Record record{7, "seven", {1.5, 2.5}, {{"a", 1}, {"b", 2}}};
  const Object object = Object::list({1, "two", 3.0, nullptr});
  records.put(record);
  objects.put(object);
  EXPECT_EQ(end_of(echo), 0);
  EXPECT_EQ(records.get(30s), record);
  EXPECT_EQ(objects.get(30s), object);
}

TEST_P(QueuesAcross, ALargeMessageComesWholeInBothDirections) {
  const auto there = ctx.Queue<std::string>();
  const auto back = ctx.Queue<std::string>();
  const std::string text(3'000'000, 'x');
  const Process echo = start(
      [](const Queue<std::string>& from, const Queue<std::string>& to) { to.put(from.get(30s)); },
      there, back);
  there.put(text);
  EXPECT_TRUE(back.get(30s) == text);
  EXPECT_EQ(end_of(echo), 0);
}

TEST_P(QueuesAcross, WhoWaitsIsWokenOrTheTimeIsOver) {
  const auto questions = ctx.Queue<int>(1);
  const auto answers = ctx.Queue<int>();
  const Process process = start(
      [](const Queue<int>& from, const Queue<int>& to) {
        check(throws<Empty>([&] { (void)to.get(1ms); }));
        check(from.get(30s) == 1);  // is awaited
        from.put(2);
        check(from.full() && throws<Full>([&] { from.put(3, 1ms); }));
        check(throws<Full>([&] { from.put_nowait(3); }));
        to.put(4);
        from.put(5);  // waits for the parent
        to.put(6);
      },
      questions, answers);
  questions.put(1);
  EXPECT_EQ(answers.get(30s), 4);
  EXPECT_EQ(questions.get(30s), 2);
  EXPECT_EQ(answers.get(30s), 6);
  EXPECT_EQ(questions.get(30s), 5);
  EXPECT_EQ(end_of(process), 0);
}

TEST_P(QueuesAcross, ManyProducersAndConsumersLoseAndDoubleNothing) {
  const auto numbers = ctx.Queue<std::pair<int, int>>(16);
  const auto sums = ctx.Queue<std::int64_t>();
  constexpr int kEach = 500;
  const auto consumers = start_many(
      2,
      [](const Queue<std::pair<int, int>>& from, const Queue<std::int64_t>& to) {
        std::int64_t sum = 0;
        std::map<int, int> last;
        for (;;) {
          const auto [producer, number] = from.get(30s);
          if (number == 0) break;
          check(last[producer] < number);  // in the order of its producer
          last[producer] = number;
          sum += number;
        }
        to.put(sum);
      },
      numbers, sums);
  std::vector<Process> producers;
  for (int i = 0; i < 3; ++i) {
    producers.push_back(start(
        [](const Queue<std::pair<int, int>>& to, int producer) {
          for (int number = 1; number <= kEach; ++number) to.put({producer, number});
        },
        numbers, i));
  }
  expect_good_ends(producers);
  for (int i = 0; i < 2; ++i) numbers.put({0, 0});
  EXPECT_EQ(sums.get(30s) + sums.get(30s), 3 * kEach * (kEach + 1) / 2);
  expect_good_ends(consumers);
}

TEST_P(QueuesAcross, AKilledConsumerThatWaitsTakesNothing) {
  const auto numbers = ctx.Queue<int>();
  Semaphore waiting = ctx.Semaphore(0);
  const auto consume = [](const Queue<int>& from, Semaphore told) {
    told.release();
    exit(from.get(30s));
  };
  Process killed = start(consume, numbers, waiting);
  const Process lives = start(consume, numbers, waiting);
  EXPECT_TRUE(waiting.acquire_many(2, 30s));
  killed.kill();
  EXPECT_EQ(end_of(killed), -SIGKILL);
  numbers.put(42);
  EXPECT_EQ(end_of(lives), 42);
}

TEST_P(QueuesAcross, AKilledProducersMessagesArriveWholeAndInOrder) {
  const auto messages = ctx.Queue<std::vector<int>>();
  Process producer = start(
      [](const Queue<std::vector<int>>& to) {
        for (int i = 0;; ++i) to.put(std::vector<int>(static_cast<std::size_t>(i % 300), i));
      },
      messages);
  EXPECT_EQ(messages.get(30s), std::vector<int>());
  producer.kill();
  EXPECT_EQ(end_of(producer), -SIGKILL);
  int next = 1;
  for (; messages.qsize() > 0; ++next) {
    const auto message = messages.get(30s);
    ASSERT_EQ(message, std::vector<int>(static_cast<std::size_t>(next % 300), next));
  }
  messages.put({1, 2});
  EXPECT_EQ(messages.get(30s), (std::vector<int>{1, 2}));
}

TEST_P(QueuesAcross, WhatAChildPutOutlivesItAndSoDoesAQueueThatItMade) {
  const auto replies = ctx.Queue<Queue<std::string>>();
  EXPECT_EQ(run(
                [](const Queue<Queue<std::string>>& to) {
                  const Queue<std::string> own;
                  own.put("made and filled in the child");
                  to.put(own);
                },
                replies),
            0);
  EXPECT_EQ(replies.get(30s).get(30s), "made and filled in the child");
}

TEST_P(QueuesAcross, AReplyComesThroughTheQueueInTheRequest) {
  using Request = std::pair<int, SimpleQueue<int>>;
  const auto requests = ctx.Queue<Request>();
  const Process server = start(
      [](const Queue<Request>& from) {
        for (int i = 0; i < 3; ++i) {
          const auto [number, reply] = from.get(30s);
          reply.put(number * number);
        }
      },
      requests);
  for (int i = 1; i <= 3; ++i) {
    const auto reply = ctx.SimpleQueue<int>();
    requests.put({i, reply});
    EXPECT_EQ(reply.get(), i * i);
    EXPECT_TRUE(reply.empty());
  }
  EXPECT_EQ(end_of(server), 0);
}

TEST_P(QueuesAcross, JoinWaitsForTheTasksOfAllChildren) {
  const auto tasks = ctx.JoinableQueue<int>();
  const auto done = ctx.Value<int>(0);
  for (int i = 0; i < 20; ++i) tasks.put(i);
  EXPECT_FALSE(tasks.join(1ms));
  const auto workers = start_many(
      2,
      [](const JoinableQueue<int>& from, const Value<int>& count) {
        while (from.get(30s) >= 0) {
          count.update([](int& n) { ++n; });
          from.task_done();
        }
        from.task_done();
      },
      tasks, done);
  EXPECT_TRUE(tasks.join(30s));
  EXPECT_EQ(done.value(), 20);
  for (int i = 0; i < 2; ++i) tasks.put(-1);
  expect_good_ends(workers);
  EXPECT_EQ(run(
                [](const JoinableQueue<int>& mine) {
                  check(throws<ValueError>([&] { mine.task_done(); }));
                },
                tasks),
            0);
}

TEST_P(QueuesAcross, AKilledWorkersTaskIsReportedAsLost) {
  const auto tasks = ctx.JoinableQueue<int>();
  const Event taken = ctx.Event();
  tasks.put(1);
  Process worker = start(
      [](const JoinableQueue<int>& from, Event told) {
        (void)from.get(30s);
        told.set();
        sleep_for_ever();
      },
      tasks, taken);
  EXPECT_TRUE(taken.wait(30s));
  worker.kill();
  EXPECT_EQ(end_of(worker), -SIGKILL);
  try {
    tasks.join(30s);
    FAIL() << "join() returned";
  } catch (const OwnerDiedError& error) {
    EXPECT_EQ(error.lost(), 1U);
    EXPECT_EQ(error.pid(), worker.pid());
  }
}

TEST_P(QueuesAcross, ACloseIsForTheProcessThatCloses) {
  auto numbers = ctx.Queue<int>();
  EXPECT_EQ(run(
                [](Queue<int> mine) {
                  mine.put(3);
                  mine.close();
                  mine.join_thread();
                  check(throws<ValueError>([&] { mine.put(4); }));
                },
                numbers),
            0);
  EXPECT_EQ(numbers.get(30s), 3);
  numbers.put(5);
  EXPECT_EQ(numbers.get(30s), 5);
}

}  // namespace
}  // namespace multiprocessing::test
