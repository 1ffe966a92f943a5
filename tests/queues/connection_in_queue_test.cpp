// SPDX-License-Identifier: BSL-1.0
// Connections as messages of a queue.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/synchronize.hpp>
#include <string>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "child.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "random_killer.hpp"
#include "step_killer.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

struct Job {
  int number;
  Lock lock;
  Connection reply;
};

TEST(ConnectionInAQueue, ReachesAProcessThatIsOlderThanItself) {
  Queue<Connection> queue;
  test::Child child([&] {
    Connection writer = queue.get();
    writer.send(std::string("found you"));
  });
  auto [reader, writer] = Pipe(false);
  queue.put(writer);
  writer.close();
  EXPECT_EQ(reader.recv<std::string>(), "found you");
  EXPECT_EQ(child.wait(), 0);
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST(ConnectionInAQueue, TravelsWithOtherHandles) {
  Queue<Job> queue;
  auto [reader, writer] = Pipe(false);
  queue.put(Job{1, Lock(), writer});
  Job job = queue.get();
  EXPECT_TRUE(job.lock.acquire(false));
  job.reply.send(job.number + 1);
  EXPECT_EQ(reader.recv<int>(), 2);
}

TEST(ConnectionInAQueue, OutlivesItsSender) {
  Queue<Connection> queue;
  auto [reader, writer] = Pipe(false);
  EXPECT_EQ(test::in_child([&, &w = writer] { queue.put(w); }), 0);
  writer.close();
  memory::note_death();
  EXPECT_FALSE(reader.poll());
  queue.get().send(1);
  EXPECT_EQ(reader.recv<int>(), 1);
}

TEST(ConnectionInAQueue, ThatIsNeverTakenEndsWithTheQueue) {
  auto [reader, writer] = Pipe(false);
  {
    Queue<Connection> queue;
    queue.put(writer);
    writer.close();
    EXPECT_FALSE(reader.poll(20ms));
  }
  EXPECT_TRUE(reader.poll());
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST(ConnectionInAQueue, ManyOfThemInOneMessage) {
  Queue<std::vector<Connection>> queue;
  std::vector<Connection> readers;
  std::vector<Connection> writers;
  for (int i = 0; i < 300; ++i) {
    auto [reader, writer] = Pipe(false);
    readers.push_back(reader);
    writers.push_back(writer);
  }
  queue.put(writers);
  writers.clear();
  std::vector<Connection> got = queue.get();
  ASSERT_EQ(got.size(), 300U);
  for (std::size_t i = 0; i < got.size(); ++i) got[i].send(i);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(readers[i].recv<std::size_t>(), i);
}

TEST(ConnectionInAQueue, WithoutRoomForItStaysInTheQueue) {
  Queue<Connection> queue;
  auto [reader, writer] = Pipe(false);
  queue.put(writer);
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  int error = 0;
  try {
    static_cast<void>(queue.get());
  } catch (const std::system_error& e) {
    error = e.code().value();
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(error, EMFILE);
  queue.get().send(1);
  EXPECT_EQ(reader.recv<int>(), 1);
}

TEST(ConnectionInAQueue, TravelsInEveryKindOfQueueAndDeepInAMessage) {
  using Nested = std::tuple<std::string, std::vector<std::pair<int, Connection>>>;
  auto [reader, writer] = Pipe(false);
  const auto through = [&, &w = writer, &r = reader](auto queue) {
    queue.put(Nested{"job", {{1, w}, {2, r}}});
    auto [name, connections] = queue.get();
    connections.at(0).second.send(name);
    EXPECT_EQ(connections.at(1).second.template recv<std::string>(), "job");
  };
  through(Queue<Nested>());
  through(JoinableQueue<Nested>());
  through(SimpleQueue<Nested>());
}

TEST(ConnectionInAQueue, TenThousandOfThemLeaveNothingOpen) {
  Queue<Connection> queue;
  auto [reader, writer] = Pipe(false);
  const auto go_round = [&, &w = writer, &r = reader](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      queue.put(w);
      queue.get().send(i);
      ASSERT_EQ(r.recv<int>(), i);
    }
  };
  go_round(1'000);  // the queue has all the blocks of its own then
  const std::size_t blocks = memory::usage().blocks;
  const std::size_t open = open_descriptors();
  go_round(10'000);
  EXPECT_EQ(open_descriptors(), open);
  EXPECT_EQ(memory::usage().blocks, blocks);
  writer.close();
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST(ConnectionInAQueue, ThatDiedWithItsProcessesIsMissedByWhoeverWaitsAtItsOtherEnd) {
  const test::Watchdog watchdog(20s);
  auto [reader, writer] = Pipe(false);
  test::Child child([&w = writer] {
    Queue<Connection> queue;
    queue.put(w);
    w.close();
    ::raise(SIGKILL);
  });
  writer.close();
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST(ConnectionInAQueue, PuttersAndGettersKilledAtRandomLeaveNothingOpen) {
  const test::Watchdog watchdog(std::chrono::seconds(test::rounds(100, 1200)));
  Queue<Connection> queue(20);
  auto [reader, writer] = Pipe(false);
  const std::size_t open = open_descriptors();
  test::kill_at_random({
      .kills = test::rounds(150, 5'000),
      .processes = 4,
      .work =
          [&, &w = writer](int process) {
            try {
              if (process % 2 == 0) {
                queue.put(w, 10ms);
              } else {
                static_cast<void>(queue.get(10ms));
              }
            } catch (const Full&) {
            } catch (const Empty&) {
            }
          },
  });
  EXPECT_EQ(open_descriptors(), open);
  for (int i = 0; i < 40; ++i) {
    try {
      static_cast<void>(queue.get(false));
    } catch (const Empty&) {
    }
    queue.put(writer, 1s);
    queue.get(1s).send(i);
    EXPECT_EQ(reader.recv<int>(), i);
  }
  writer.close();
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
  EXPECT_EQ(open_descriptors(), open - 1);
}

TEST(ConnectionInAQueue, SurvivesADeathAtAnyInstructionOfPut) {
  const test::Watchdog watchdog(std::chrono::seconds(test::rounds(100, 1200)));
  Queue<Connection> queue;
  auto [reader, writer] = Pipe(false);
  const auto report = test::kill_at_every_step({
      .act = [&, &w = writer] { queue.put(w); },
      .check =
          [&, &r = reader] {
            memory::note_death();
            while (!queue.empty()) queue.get().send(1);
            while (r.poll()) EXPECT_EQ(r.recv<int>(), 1);
          },
  });
  EXPECT_GT(report.kills, 0);
  writer.close();
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST(ConnectionInAQueue, SurvivesADeathAtAnyInstructionOfGet) {
  const test::Watchdog watchdog(std::chrono::seconds(test::rounds(100, 1200)));
  Queue<Connection> queue;
  auto [reader, writer] = Pipe(false);
  const auto report = test::kill_at_every_step({
      .arrange = [&, &w = writer] { queue.put(w); },
      .act = [&] { static_cast<void>(queue.get()); },
      .check =
          [&, &r = reader] {
            memory::note_death();
            while (!queue.empty()) queue.get().send(1);
            while (r.poll()) EXPECT_EQ(r.recv<int>(), 1);
          },
  });
  EXPECT_GT(report.kills, 0);
  writer.close();
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

}  // namespace
}  // namespace multiprocessing
