// SPDX-License-Identifier: BSL-1.0
// Python's managers on the other side: Debian's python3.
#include <fmt/format.h>

#include <system_error>
#include <thread>

#include "manager_test.hpp"
#include "python_peer.hpp"
#include "tcp_connections.hpp"

namespace multiprocessing {
namespace {

using test::PythonPeer;
using namespace std::chrono_literals;

const std::string kScript = MANAGERS_TESTS_FOLDER "/python_manager.py";

/// The parameter is the protocol of the pickles that Python sends: 3 before Python 3.8, then 4, and
/// 5 since 3.14.
class PythonServerTest : public testing::TestWithParam<int> {
 protected:
  PythonServerTest() { manager_.connect(); }

  test::Watchdog watchdog_{60s};
  PythonPeer python_{kScript, {std::to_string(GetParam()), "serve"}};
  BaseManager manager_{{"127.0.0.1", std::stoi(python_.receive())}, "secret"};
};

TEST_P(PythonServerTest, ItsQueueIsUsedByName) {
  auto queue = manager_.call<AutoProxy>("get_queue");

  queue.call<void>("put", Object::dict({{"job", 1}}));

  EXPECT_EQ(queue.call<int>("qsize"), 1);
  EXPECT_EQ(queue.call("get"), Object::dict({{"job", 1}}));
  EXPECT_THROW(queue.call("get_nowait"), Empty);
}

TEST_P(PythonServerTest, ItsQueueIsAQueueProxy) {
  auto queue = manager_.call<QueueProxy<std::string>>("get_queue");

  queue.put("one");
  queue.put("two", 1s);

  EXPECT_EQ(queue.qsize(), 2U);
  EXPECT_EQ(queue.get(), "one");
  EXPECT_EQ(queue.get(1s), "two");
  EXPECT_THROW(static_cast<void>(queue.get(false)), Empty);
  EXPECT_THROW(static_cast<void>(queue.get(10ms)), Empty);
}

TEST_P(PythonServerTest, ItsDictAndListAreProxiesOfTheirKind) {
  const auto ages = manager_.call<DictProxy<std::string, int>>("get_dict");
  const auto numbers = manager_.call<ListProxy<int>>("get_list");

  ages["bob"] = 40;
  numbers.append(7);

  EXPECT_EQ(ages["ada"], 36);
  EXPECT_EQ(ages.size(), 2U);
  EXPECT_EQ(ages.keys(), (std::vector<std::string>{"ada", "bob"}));
  EXPECT_EQ(fmt::format("{}", ages), "{'ada': 36, 'bob': 40}");
  EXPECT_THROW(static_cast<void>(ages.at("eve")), KeyError);
  EXPECT_EQ(numbers[-1], 7);
  EXPECT_EQ(numbers.pop(), 7);
  EXPECT_THROW(static_cast<void>(numbers.at(99)), IndexError);
}

void append_a_hundred(ListProxy<int> numbers) { numbers.append(100); }

TEST_P(PythonServerTest, ItsProxiesAreArgumentsUnderEveryStartMethodWithTheirKey) {
  const auto numbers = manager_.call<ListProxy<int>>("get_list");
  const auto before = numbers.size();
  for (const char* method : {"fork", "spawn", "forkserver"}) {
    auto process = get_context(method).Process(append_a_hundred, numbers);
    process.start();
    process.join();
    EXPECT_EQ(process.exitcode(), 0) << method;
  }
  EXPECT_EQ(numbers.size(), before + 3);
}

TEST_P(PythonServerTest, AForkedChildKnowsTheKeysOfItsParentsServers) {
  const Queue<ListProxy<int>> lists;
  const auto numbers = manager_.call<ListProxy<int>>("get_list");
  Process child([&] { lists.get().append(7); });
  child.start();
  lists.put(numbers);
  child.join();
  EXPECT_EQ(child.exitcode(), 0);
  EXPECT_EQ(numbers[-1], 7);
}

TEST_P(PythonServerTest, AListOfWhichASyncManagerExposesLessIsAListProxyAllTheSame) {
  const auto numbers = manager_.call<ListProxy<int>>("get_list_of_a_sync_manager");

  numbers.sort(true);

  EXPECT_EQ(numbers.copy(), (std::vector<int>{3, 2, 1}));
  EXPECT_EQ(numbers.slice(-2, 9), (std::vector<int>{2, 1}));
  int sum = 0;
  for (const int number : numbers) sum += number;
  EXPECT_EQ(sum, 6);
  numbers.sort();
  EXPECT_EQ(numbers.index(3), 2U);
  EXPECT_EQ(numbers.count(1), 1U);
  EXPECT_TRUE(numbers.contains(2));
}

TEST_P(PythonServerTest, ItsLockIsALockProxy) {
  auto lock = manager_.call<LockProxy>("get_lock");

  EXPECT_TRUE(lock.acquire());
  EXPECT_FALSE(lock.acquire(false));
  EXPECT_FALSE(lock.acquire(1ms));
  lock.release();
  EXPECT_TRUE(lock.acquire(1s));
}

TEST_P(PythonServerTest, ItsObjectsMethodsAreCalledAndTheirErrorsArrive) {
  auto counter = manager_.create<Object>("Counter", 10);

  EXPECT_EQ(counter.call<int>("add", 5), 15);
  EXPECT_EQ(counter.call<int>("add", 5, 2), 25);
  EXPECT_THROW(counter.call<void>("fail"), KeyError);
  try {
    counter.call<void>("fail_strangely");
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type_name(), "ZeroDivisionError");
    EXPECT_EQ(error.message(), "division by zero");
  }
  EXPECT_THROW(counter.call<void>("no_such"), AttributeError);
}

TEST_P(PythonServerTest, ItsEndIsAnEOFErrorOfACallThatWaits) {
  auto queue = manager_.call<QueueProxy<int>>("get_queue");
  std::thread killer([&] {
    EXPECT_TRUE(test::eventually([&] { return manager_.call<AutoProxy>("get_queue") == queue; }));
    ::kill(python_.pid(), SIGKILL);
  });

  EXPECT_THROW(static_cast<void>(queue.get()), EOFError);
  killer.join();
}

class PythonTypesTest : public testing::TestWithParam<int> {
 protected:
  PythonTypesTest() { manager_.connect(); }

  test::Watchdog watchdog_{60s};
  PythonPeer python_{kScript, {std::to_string(GetParam()), "serve_types"}};
  SyncManager manager_{{"127.0.0.1", std::stoi(python_.receive())}, "secret"};
};

TEST_P(PythonTypesTest, AnRLockAndAConditionBelongToAThread) {
  auto lock = manager_.RLock();
  auto condition = manager_.Condition();
  lock.acquire();
  condition.acquire();
  std::thread([&] {
    EXPECT_FALSE(lock.acquire(false));
    EXPECT_THROW(lock.release(), RuntimeError);
    EXPECT_FALSE(condition.acquire(false));
    EXPECT_FALSE(manager_.Event().wait(1ms));
  }).join();

  EXPECT_TRUE(lock.acquire(false));
  lock.release();
  lock.release();
  EXPECT_FALSE(condition.wait(1ms));
  condition.release();

  std::thread([&] { EXPECT_TRUE(lock.acquire(false) && condition.acquire(false)); }).join();
}

TEST_P(PythonTypesTest, ValuesArraysAndNamespacesAreMadeWithWhatTheyHold) {
  const auto value = manager_.Value<int>(4);
  const auto fraction = manager_.Value(0.5);
  const auto array = manager_.Array<int>({1, 2, 3});
  const auto names = manager_.Namespace({{"x", 1}, {"y", "two"}});

  value.set(value.get() + 1);
  array[1] = 20;

  EXPECT_EQ(value.get(), 5);
  EXPECT_EQ(fraction.get(), 0.5);
  EXPECT_EQ(array.str(), "array('q', [1, 20, 3])");
  EXPECT_EQ(names.get<int>("x"), 1);
  EXPECT_EQ(names.get<std::string>("y"), "two");
}

TEST_P(PythonTypesTest, TheServerEndsWhenItIsAskedTo) {
  manager_.shutdown();

  EXPECT_TRUE(test::eventually([&] {
    try {
      SyncManager(manager_.address(), "secret").connect();
      return false;
    } catch (const EOFError&) {
      return true;
    } catch (const std::system_error&) {
      return true;
    }
  }));
}

TEST_P(PythonTypesTest, AProxyOfADeadServerSaysThatItCannotBeAsked) {
  const auto list = manager_.list<int>({1});
  EXPECT_EQ(list.str(), "[1]");

  static_cast<void>(python_.finish());

  EXPECT_TRUE(list.str().ends_with("; '__str__()' failed>")) << list.str();
}

class PythonClientTest : public testing::TestWithParam<int> {
 protected:
  [[nodiscard]] static PythonPeer start(const std::string& task, const BaseManager& manager) {
    return {kScript, {std::to_string(GetParam()), task, std::to_string(manager.address().port())}};
  }

  test::Watchdog watchdog_{60s};
};

TEST_P(PythonClientTest, UsesARegisteredQueueDictAndList) {
  BaseManager manager({"127.0.0.1", 0}, "secret");
  Queue<> jobs;
  manager.register_callable("get_queue", [jobs] { return jobs; });
  manager.register_callable("get_dict", []() -> std::map<std::string, int>& {
    static std::map<std::string, int> ages{{"ada", 36}};
    return ages;
  });
  manager.register_callable("get_list", []() -> std::vector<int>& {
    static std::vector<int> numbers{1, 2, 3};
    return numbers;
  });
  manager.start();
  PythonPeer python = start("use", manager);

  EXPECT_EQ(
      python.receive(),
      "[{'job': 1}, 0, 'Empty', 'Empty', ['ada', 'bob', 'eve'], None, 7, "
      "\"{'ada': 36, 'bob': 40}\", {'ada': 36, 'bob': 40}, ('eve',), True, '[4, 3, 2, 1]', 1, 4, "
      "'IndexError: pop index out of range']");
  EXPECT_EQ(python.finish(), 0);
}

TEST_P(PythonClientTest, UsesTheTypesOfASyncManager) {
  SyncManager manager({"127.0.0.1", 0}, "secret");
  manager.start();
  PythonPeer python = start("use_types", manager);

  EXPECT_EQ(python.receive(),
            "[[1, 2], 3, True, 1, [1, 2, 3, 'x'], 'x', [2, 3], [1, 2], True, True, 6, 1, 'two', "
            "\"Namespace(x=1, y='two')\", \"{'a': 1, 'b': [1, 2], 'c': 3}\", "
            "[['a', 'b'], ['a', 'b', 'c'], 'the end', {'a': 1, 'b': [1, 2], 'c': 3}], "
            "[True, [True, True, False], {'b': 2, 'x': 3, 'y': 5, 'z': 4}, True, True], "
            "[[0, 'a', 'b', 'c', 5], [1, 1], ['a', 'b', 'c', 0, 'a', 'b', 'c'], "
            "{'a': 1, 'b': 0}]]");
  EXPECT_EQ(python.finish(), 0);
}

TEST_P(PythonClientTest, UsesLocksAndDataOfTheProgramAndItsDeathIsTold) {
  BaseManager manager({"127.0.0.1", 0}, "secret");
  Lock lock;
  RLock rlock;
  Event event;
  Value<int> value(1);
  Array<double> array{1, 2};
  manager.register_callable("get_lock", [lock] { return lock; });
  manager.register_callable("get_rlock", [rlock] { return rlock; });
  manager.register_callable("get_event", [event] { return event; });
  manager.register_callable("get_value", [value] { return value; });
  manager.register_callable("get_array", [array] { return array; });
  manager.start();
  {
    PythonPeer python = start("use_shared", manager);
    EXPECT_EQ(python.receive(), "[True, True, True, 'RuntimeError', True, 2, [10.0, 2.0]]");
    EXPECT_TRUE(event.is_set());
    EXPECT_EQ(value.value(), 2);
    EXPECT_FALSE(rlock.locked());
    EXPECT_FALSE(lock.acquire(10ms));
  }

  EXPECT_THROW(lock.acquire(20s), OwnerDiedError);
}

TEST_P(PythonClientTest, AMessageIsNotGivenToOneThatHasEnded) {
  BaseManager manager({"127.0.0.1", 0}, "secret");
  Queue<> jobs;
  manager.register_callable("get_queue", [jobs] { return jobs; });
  manager.start();
  const int port = manager.address().port();
  const int connections = test::tcp_connections_of(port);
  {
    PythonPeer python = start("wait_in_get", manager);
    EXPECT_EQ(python.receive(), "connected");
    std::this_thread::sleep_for(20ms);  // it is in get() then, as a rule
  }
  // A death reaches the server's end a moment later.
  ASSERT_TRUE(test::eventually([&] { return test::tcp_connections_of(port) <= connections; }));

  jobs.put(1);

  EXPECT_EQ(jobs.get(10s), 1);
}

TEST_P(PythonClientTest, TheReleaseOfOneIsNotTakenForThatOfAnothersLostHold) {
  SyncManager manager({"127.0.0.1", 0}, "secret");
  manager.start();
  PythonPeer python = start("lose_a_hold", manager);

  EXPECT_EQ(python.receive(), "[True, True, False]");
  EXPECT_EQ(python.finish(), 0);
}

INSTANTIATE_TEST_SUITE_P(Protocol, PythonServerTest, testing::Values(3, 4, 5));
INSTANTIATE_TEST_SUITE_P(Protocol, PythonTypesTest, testing::Values(3, 4, 5));
INSTANTIATE_TEST_SUITE_P(Protocol, PythonClientTest, testing::Values(3, 4, 5));

}  // namespace
}  // namespace multiprocessing
