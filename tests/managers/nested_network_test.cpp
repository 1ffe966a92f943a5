// SPDX-License-Identifier: BSL-1.0
// Proxies and handles in Objects that go to other programs, and to Python, which cannot have them.
#include <unistd.h>

#include <csignal>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "environment.hpp"
#include "fresh_program.hpp"
#include "manager_test.hpp"
#include "python_peer.hpp"

namespace multiprocessing {
namespace {

using test::eventually;
using namespace std::chrono_literals;
using Anything = std::map<std::string, Object>;

SyncManager connected() {
  SyncManager manager({"127.0.0.1", std::stoi(test::variable("PORT"))}, "secret");
  manager.connect();
  return manager;
}

// Puts a list of its own into the dict, uses those of others, and is killed.
FRESH_SCENARIO(nest_a_list_in_a_dict_of_anything) {
  const SyncManager manager = connected();
  const auto shared = manager.call<DictProxy<std::string, Object>>("shared");
  shared["a"] = manager.list({1});
  shared["a"].as<ListProxy<>>().append(shared["given"].as<ListProxy<>>());
  shared["given"].as<ListProxy<>>().append("stranger");
  const auto unshared = manager.list({shared["given"].get()});
  try {
    shared["lock"] = Lock();
    return 2;
  } catch (const TypeError&) {
  }
  try {
    static_cast<void>(shared["own lock"].get());
    return 3;
  } catch (const TypeError&) {
  }
  ::kill(::getpid(), SIGKILL);
  return 1;
}

class NestedInNetworkTest : public testing::Test {
 protected:
  NestedInNetworkTest() {
    manager_.register_callable("shared", []() -> Anything& {
      static auto* const shared = new Anything;
      return *shared;
    });
    manager_.register_callable("jobs", [jobs = jobs_] { return jobs; });
    manager_.start();
  }

  test::Watchdog watchdog_{60s};
  JoinableQueue<int> jobs_;
  SyncManager manager_{{"127.0.0.1", 0}, "secret"};
};

TEST_F(NestedInNetworkTest, AnotherProgramNestsItsObjectsToo) {
  const auto shared = manager_.call<DictProxy<std::string, Object>>("shared");
  auto given = std::optional(manager_.list());
  shared["given"] = *given;
  shared["own lock"] = Lock();

  EXPECT_EQ(::test::run_fresh("nest_a_list_in_a_dict_of_anything",
                              {"PORT=" + std::to_string(manager_.address().port())}),
            -SIGKILL);

  EXPECT_EQ(given->copy(), (std::vector<Object>{"stranger"}));
  const auto list = shared["a"].as<ListProxy<>>();
  EXPECT_EQ(list[0], 1);
  EXPECT_EQ(list[1], *given);
  // The dict, the list that was given and the one that was left.
  EXPECT_TRUE(eventually([&] { return manager_.number_of_objects() == 3; }, 1s));
}

TEST_F(NestedInNetworkTest, ARegisteredJoinableQueueIsKnownAsOne) {
  const Object jobs = manager_.call<AutoProxy>("jobs");
  jobs_.put(1);

  EXPECT_EQ(jobs.as<JoinableQueueProxy<int>>().get(), 1);
  EXPECT_TRUE(jobs.is<QueueProxy<int>>());
}

TEST_F(NestedInNetworkTest, APythonClientIsToldClearlyThatItCannotHaveAProxy) {
  const auto shared = manager_.call<DictProxy<std::string, Object>>("shared");
  shared["plain"] = 1;
  shared["proxy"] = manager_.list();

  test::PythonPeer python(MANAGERS_TESTS_FOLDER "/python_manager.py",
                          {"4", "read_nested", std::to_string(manager_.address().port())});

  EXPECT_EQ(python.receive(), "[1, 'a ListProxy has no counterpart in Python', 2]");
  EXPECT_EQ(python.finish(), 0);
}

TEST(NestedInPythonTest, APythonServerIsGivenNoProxy) {
  const test::Watchdog watchdog(60s);
  test::PythonPeer python(MANAGERS_TESTS_FOLDER "/python_manager.py", {"4", "serve"});
  BaseManager manager({"127.0.0.1", std::stoi(python.receive())}, "secret");
  manager.connect();
  const auto ages = manager.call<DictProxy<>>("get_dict");
  const auto numbers = manager.call<ListProxy<>>("get_list");

  EXPECT_THROW(ages["numbers"] = numbers, TypeError);
  EXPECT_EQ(ages.size(), 1U);
  // Here it goes from one queue to the other.
  Queue<> queue;
  queue.put(numbers);
  EXPECT_EQ(queue.get().as<ListProxy<int>>()[-1], 3);
}

}  // namespace
}  // namespace multiprocessing
