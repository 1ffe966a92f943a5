// SPDX-License-Identifier: BSL-1.0
// Connections in objects of a manager, as Python's are in its: copies of their ends travel.
#include <multiprocessing/connection.hpp>
#include <vector>

#include "manager_test.hpp"
#include "random_killer.hpp"

namespace multiprocessing {
namespace {

using test::ManagerTest;
using namespace std::chrono_literals;

class ConnectionTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(ConnectionTest);

TEST_P(ConnectionTest, GoesThroughAQueueToAnotherProcess) {
  const auto queue = manager_.Queue<Connection>();
  auto [here, there] = Pipe();
  queue.put(there);
  there.close();

  EXPECT_EQ(run([](QueueProxy<Connection> q) { q.get().send("hello"); }, queue), 0);

  EXPECT_EQ(here.recv<std::string>(), "hello");
  EXPECT_THROW(static_cast<void>(here.recv<std::string>()), EOFError);
}

TEST_P(ConnectionTest, StaysInADictForWhoeverReadsIt) {
  const auto ends = manager_.dict<std::string, Connection>();
  auto [reader, writer] = Pipe(false);
  ends["writer"] = writer;
  writer.close();

  const auto child = [](DictProxy<std::string, Connection> d, int x) { d.at("writer").send(x); };
  EXPECT_EQ(run(child, ends, 1), 0);
  EXPECT_EQ(run(child, ends, 2), 0);

  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_EQ(reader.recv<int>(), 2);
  EXPECT_EQ(ends.items().size(), 1U);
  EXPECT_FALSE(reader.poll(0s));
}

TEST_P(ConnectionTest, IsClosedWhenTheManagerLetsItGo) {
  const auto ends = manager_.list<Connection>();
  auto [reader, writer] = Pipe(false);
  ends.append(writer);
  writer.close();
  EXPECT_FALSE(reader.poll(0s));

  ends.clear();

  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST_P(ConnectionTest, SeveralOfOneMessageKeepTheirPlaces) {
  const auto rows = manager_.list<std::vector<Connection>>();
  std::vector<Connection> readers;
  std::vector<Connection> writers;
  for (int i = 0; i < 3; ++i) {
    auto [reader, writer] = Pipe(false);
    readers.push_back(reader);
    writers.push_back(writer);
  }
  rows.append(writers);

  const auto child = [](ListProxy<std::vector<Connection>> list) {
    int i = 0;
    for (auto& writer : list.at(0)) writer.send(i++);
  };
  EXPECT_EQ(run(child, rows), 0);

  for (int i = 0; i < 3; ++i) EXPECT_EQ(readers[static_cast<std::size_t>(i)].recv<int>(), i);
}

TEST_P(ConnectionTest, ThatIsClosedIsRefusedAndNothingChanges) {
  const auto ends = manager_.list<Connection>();
  auto [reader, writer] = Pipe(false);
  writer.close();

  EXPECT_THROW(ends.append(writer), std::system_error);

  EXPECT_EQ(ends.size(), 0U);
}

TEST(ConnectionOfKilledClients, IsClosedWithThemWhereverTheyWereKilled) {
  const test::Watchdog watchdog(std::chrono::seconds(test::rounds(100, 1200)));
  Manager manager;
  const auto queue = manager.Queue<Connection>();
  const auto ends = manager.dict<int, Connection>();
  auto [reader, writer] = Pipe(false);

  test::kill_at_random({
      .kills = test::rounds(100, 2'000),
      .processes = 3,
      .work =
          [&, &w = writer](int process) {
            queue.put(w);
            ends[process] = queue.get(10s);
            static_cast<void>(ends.at(process));
          },
  });

  ends.clear();
  while (!queue.empty()) static_cast<void>(queue.get());
  EXPECT_FALSE(reader.poll(0s));
  writer.close();
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

}  // namespace
}  // namespace multiprocessing
