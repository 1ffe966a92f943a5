// SPDX-License-Identifier: BSL-1.0
// Clients of another program: they share no memory with the server, and refer to its objects by
// leases that end with their connections.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "environment.hpp"
#include "fresh_program.hpp"
#include "manager_test.hpp"

namespace multiprocessing {
namespace {

using test::eventually;
using namespace std::chrono_literals;
using Lists = DictProxy<std::string, ListProxy<int>>;
using Queues = DictProxy<std::string, QueueProxy<Lock>>;

SyncManager connected() {
  SyncManager manager({"127.0.0.1", std::stoi(test::variable("PORT"))}, "secret");
  manager.connect();
  return manager;
}

// Puts a list of its own into the dict of lists, uses it there, and is killed.
FRESH_SCENARIO(put_a_list_into_a_dict) {
  const SyncManager manager = connected();
  const auto lists = manager.call<Lists>("lists");
  {
    const auto list = manager.list<int>({1});
    lists["a"] = list;
  }
  lists.at("a").append(2);
  lists["b"] = lists.at("a");
  const auto unshared = manager.list<int>({9});
  ::kill(::getpid(), SIGKILL);
  return 1;
}

FRESH_SCENARIO(send_a_shared_object) {
  const SyncManager manager = connected();
  const auto is_refused = [](const auto& list, const auto& value) {
    try {
      list.append(value);
      return false;
    } catch (const TypeError&) {
      return list.size() == 0;
    }
  };
  const bool lock = is_refused(manager.list<Lock>(), Lock());
  const bool connection = is_refused(manager.list<Connection>(), Pipe().first);
  return lock && connection ? 0 : 1;
}

FRESH_SCENARIO(take_a_shared_object) {
  const SyncManager manager = connected();
  const auto queue = manager.call<Queues>("queues").at("locks");
  try {
    static_cast<void>(queue.get(10s));
    return 1;
  } catch (const TypeError&) {
    return queue.qsize() == 1 ? 0 : 2;
  }
}

FRESH_SCENARIO(fork_and_use_a_proxy) {
  const SyncManager manager = connected();
  auto list = std::optional(manager.list<int>());
  const ListProxy<int> copy = *list;
  Process child(
      [](ListProxy<int> inherited) { inherited.append(static_cast<int>(inherited.size())); }, copy);
  child.start();
  child.join();
  if (child.exitcode() != 0) return 2;
  return list->copy() == std::vector<int>{0} ? 0 : 3;
}

class StrangerTest : public testing::Test {
 protected:
  StrangerTest() {
    manager_.register_callable("lists", []() -> std::map<std::string, ListProxy<int>>& {
      static auto* const lists = new std::map<std::string, ListProxy<int>>;
      return *lists;
    });
    manager_.register_callable("queues", []() -> std::map<std::string, QueueProxy<Lock>>& {
      static auto* const queues = new std::map<std::string, QueueProxy<Lock>>;
      return *queues;
    });
    manager_.start();
  }
  int run_stranger(const std::string& scenario) const {
    return ::test::run_fresh(scenario, {"PORT=" + std::to_string(manager_.address().port())});
  }

  test::Watchdog watchdog_{60s};
  SyncManager manager_{{"127.0.0.1", 0}, "secret"};
};

TEST_F(StrangerTest, ItsObjectsLiveOnInContainersAndItsLeasesEndWithIt) {
  const auto lists = manager_.call<Lists>("lists");

  EXPECT_EQ(run_stranger("put_a_list_into_a_dict"), -SIGKILL);

  EXPECT_EQ(lists.at("a").copy(), (std::vector<int>{1, 2}));
  EXPECT_EQ(lists.at("a"), lists.at("b"));
  lists.at("b").append(3);
  EXPECT_EQ(lists.at("a").size(), 3U);
  // The dict and the list in it; the list that nobody else knew has gone.
  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() == 2; }, 1s));
}

TEST_F(StrangerTest, CannotSendWhatLiesInItsOwnMemory) {
  EXPECT_EQ(run_stranger("send_a_shared_object"), 0);
}

TEST_F(StrangerTest, AMessageThatItCannotBeGivenStaysInTheQueue) {
  const auto queue = manager_.Queue<Lock>();
  queue.put(Lock());
  manager_.call<Queues>("queues")["locks"] = queue;

  EXPECT_EQ(run_stranger("take_a_shared_object"), 0);

  EXPECT_TRUE(queue.get(10s).acquire(false));
}

TEST_F(StrangerTest, ItsForkedChildrenUseItsProxies) {
  EXPECT_EQ(run_stranger("fork_and_use_a_proxy"), 0);
  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() == 0; }));
}

}  // namespace
}  // namespace multiprocessing
