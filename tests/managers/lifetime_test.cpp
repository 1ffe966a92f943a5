// SPDX-License-Identifier: BSL-1.0
// Who keeps an object in a server alive: handles, wherever they are, and killed processes not.
#include <unistd.h>

#include <csignal>
#include <optional>
#include <string>

#include "long_form.hpp"
#include "manager_test.hpp"

namespace multiprocessing {
namespace {

using test::eventually;
using test::ManagerTest;
using test::resident_kib;
using namespace std::chrono_literals;

class LifetimeTest : public ManagerTest {
 protected:
  bool objects_are(std::size_t n) {
    return eventually([&] { return manager_.number_of_objects() == n; }, 10s);
  }
};
UNDER_EVERY_START_METHOD(LifetimeTest);

TEST_P(LifetimeTest, TheLastProxyEndsTheObject) {
  auto one = std::optional(manager_.list<int>());
  auto copy = one;
  EXPECT_EQ(manager_.number_of_objects(), 1U);

  one.reset();
  copy->append(1);
  copy.reset();

  EXPECT_TRUE(objects_are(0));
}

TEST_P(LifetimeTest, AProxyInAQueueKeepsItsObjectWhenItsSenderHasEnded) {
  Queue<ListProxy<int>> queue;
  const auto child = [](Queue<ListProxy<int>> to, DictProxy<int, ListProxy<int>> lists) {
    to.put(lists.pop(0));
  };
  {
    auto lists = manager_.dict<int, ListProxy<int>>();
    lists[0] = manager_.list<int>({7});
    EXPECT_EQ(run(child, queue, lists), 0);
  }
  EXPECT_TRUE(objects_are(1));

  {
    const ListProxy<int> list = queue.get();
    EXPECT_EQ(list[0], 7);
  }
  EXPECT_TRUE(objects_are(0));
}

TEST_P(LifetimeTest, AnObjectWithinAContainerLivesAsLongAsIt) {
  auto outer = std::optional(manager_.list<ListProxy<int>>());
  outer->append(manager_.list<int>({5}));
  EXPECT_TRUE(objects_are(2));
  EXPECT_EQ(outer->at(0).at(0), 5);

  outer.reset();

  EXPECT_TRUE(objects_are(0));
}

TEST_P(LifetimeTest, AKilledProcessGivesUpItsReferencesWithinASecond) {
  Queue<bool> ready;
  const auto gate = manager_.dict<int, int>();
  auto child = context_.Process(
      [](Queue<bool> is_ready, Address address) {
        BaseManager manager(address);
        manager.connect();
        // Of a manager that it knows by its address alone.
        is_ready.put(manager.address() == address);
        for (;;) ::pause();
      },
      ready, manager_.address());
  child.start();
  EXPECT_TRUE(ready.get());
  auto list = std::optional(manager_.list<int>());
  auto holder = context_.Process(
      [](Queue<bool> is_ready, ListProxy<int> held) {
        held.append(1);
        is_ready.put(true);
        for (;;) ::pause();
      },
      ready, *list);
  holder.start();
  EXPECT_TRUE(ready.get());
  list.reset();
  EXPECT_EQ(manager_.number_of_objects(), 2U);

  holder.kill();
  child.kill();
  holder.join();

  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() == 1; }, 1s));
}

void make_and_be_killed(DictProxy<int, ListProxy<int>> lists) {
  std::vector<ListProxy<int>> held;
  for (int i = 0; i < 50; ++i) held.push_back(lists.at(0));
  ::kill(::getpid(), SIGKILL);
}

TEST_P(LifetimeTest, TheServersMemoryIsFlatOverProxiesMadeAndDroppedByTheLivingAndTheKilled) {
  const auto lists = manager_.dict<int, ListProxy<int>>();
  lists[0] = manager_.list<int>({1});
  const int server = active_children().front().pid();
  const auto go_on = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      for (int j = 0; j < test::rounds(150, 950); ++j) static_cast<void>(manager_.list<int>({j}));
      EXPECT_EQ(run(make_and_be_killed, lists), -SIGKILL);
    }
  };
  go_on(3);
  const std::size_t before = resident_kib(server);

  go_on(test::rounds(3, 100));

  EXPECT_LT(resident_kib(server), before + 2048);
  EXPECT_TRUE(objects_are(2));
}

TEST_P(LifetimeTest, EndsWithTheLastHandleAndItsServerWithIt) {
  std::optional<Manager> manager(context_.Manager());
  const auto list = manager->list<int>();
  Manager copy = *manager;
  manager.reset();
  list.append(1);

  copy = manager_;

  EXPECT_THROW(list.append(2), std::exception);
  EXPECT_EQ(active_children().size(), 1U);
}

}  // namespace
}  // namespace multiprocessing
