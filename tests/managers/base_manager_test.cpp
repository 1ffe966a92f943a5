// SPDX-License-Identifier: BSL-1.0
// Managers with a program's own types and callables, in other processes and at addresses.
#include <fmt/format.h>
#include <sys/socket.h>

#include <map>
#include <thread>

#include "manager_test.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;

class Counter {
 public:
  explicit Counter(int start) : value_(start) {}
  int add(int n) { return value_ += n; }
  [[nodiscard]] int get() const { return value_; }
  void fail() const { throw KeyError("no such thing"); }
  virtual ~Counter() = default;
  [[nodiscard]] virtual std::string name(const std::string& suffix) const {
    return "counter" + suffix;
  }
  void fail_strangely() const { throw std::out_of_range("far out"); }

 private:
  int value_;
};

int twice(Counter& counter, int n) { return counter.add(n) + counter.add(n); }

struct Plain {
  int x = 0;
  std::string text;
};

void register_all(BaseManager& manager) {
  manager.register_type<Counter>("Counter", "add", &Counter::add, "get", &Counter::get, "fail",
                                 &Counter::fail, "name", &Counter::name, "fail_strangely",
                                 &Counter::fail_strangely, "twice", &twice);
  manager.register_type<Plain>("Plain", "x", &Plain::x);
  manager.register_callable("sum", [](int a, int b) { return a + b; });
  manager.register_callable("ages", []() -> std::map<std::string, int>& {
    static std::map<std::string, int> ages;
    return ages;
  });
  manager.register_callable("anything", [](int which) -> mp::Object {
    if (which == 0) return mp::Object::list({1, "a"});
    if (which == 1) return mp::Object::dict({{"a", 1}});
    if (which == 2) return mp::Object::set({1, 2});
    return "text";
  });
  manager.register_callable("squares", [](int n) {
    std::vector<int> squares;
    for (int i = 0; i < n; ++i) squares.push_back(i * i);
    return squares;
  });
}

class BaseManagerTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { set_start_method(GetParam(), true); }
  void TearDown() override { set_start_method("fork", true); }
  test::Watchdog watchdog_{60s};
};
UNDER_EVERY_START_METHOD(BaseManagerTest);

TEST_P(BaseManagerTest, MakesObjectsOfARegisteredTypeWithItsMethods) {
  BaseManager manager;
  register_all(manager);
  manager.start();

  auto counter = manager.create<Counter>("Counter", 10);

  EXPECT_EQ(counter.call<int>("add", 5), 15);
  EXPECT_EQ(counter.call<long>("get"), 15);
  EXPECT_EQ(counter.call("get"), 15);
  EXPECT_EQ(counter.call<int>("twice", 1), 33);
  EXPECT_EQ(counter.call<std::string>("name", "!"), "counter!");
  auto plain = manager.create<Plain>("Plain", 3, "text");
  EXPECT_EQ(plain.call<int>("x"), 3);
}

TEST_P(BaseManagerTest, PrintsWhatItKnowsOfAnObjectOfARegisteredType) {
  BaseManager manager;
  register_all(manager);
  manager.start();

  EXPECT_EQ(fmt::format("{}", manager.create<Counter>("Counter", 10)), "<Counter object>");
}

TEST_P(BaseManagerTest, KeepsContainersThatAnObjectHolds) {
  BaseManager manager;
  register_all(manager);
  manager.start();

  auto list = manager.call<ListProxy<>>("anything", 0);
  list.append(3);
  EXPECT_EQ(list.str(), "[1, 'a', 3]");
  auto dict = manager.call<DictProxy<>>("anything", 1);
  dict["b"] = 2;
  EXPECT_EQ(dict.str(), "{'a': 1, 'b': 2}");
  auto set = manager.call<SetProxy<>>("anything", 2);
  set.add(3);
  EXPECT_EQ(set.size(), 3U);
  EXPECT_EQ(manager.call<ValueProxy<>>("anything", 3).get(), "text");
  EXPECT_EQ(manager.call<Object>("anything", 0).repr(), "[1, 'a']");
}

TEST_P(BaseManagerTest, GivesABoundedSemaphoreAndAJoinableQueueAsTheirBaseClassesProxies) {
  BaseManager manager;
  manager.register_callable("bounded", [] {
    static const BoundedSemaphore semaphore(1);
    return semaphore;
  });
  manager.register_callable("joinable", [] {
    static const JoinableQueue<int> queue;
    return queue;
  });
  manager.start();

  EXPECT_TRUE(manager.call<SemaphoreProxy>("bounded").acquire(false));
  EXPECT_FALSE(manager.call<BoundedSemaphoreProxy>("bounded").acquire(false));
  manager.call<QueueProxy<int>>("joinable").put(3);
  EXPECT_EQ(manager.call<JoinableQueueProxy<int>>("joinable").get(), 3);
}

TEST_P(BaseManagerTest, RefusesAProxyOfAnotherTypeThanTheCallableGives) {
  BaseManager manager;
  register_all(manager);
  manager.start();

  try {
    static_cast<void>(manager.call<DictProxy<int, int>>("squares", 3));
    FAIL();
  } catch (const TypeError& error) {
    EXPECT_STREQ(error.what(), "a DictProxy cannot be of a list, which is what the server has");
  }
}

TEST_P(BaseManagerTest, GivesTheErrorsOfMethodsToTheCaller) {
  BaseManager manager;
  register_all(manager);
  manager.start();
  auto counter = manager.create<Counter>("Counter", 10);

  EXPECT_THROW(counter.call<void>("fail"), KeyError);
  try {
    counter.call<void>("fail_strangely");
    FAIL();
  } catch (const RemoteError& error) {
    EXPECT_EQ(error.type_name(), "std::out_of_range");
    EXPECT_EQ(error.message(), "far out");
    EXPECT_NE(error.pid(), ::getpid());
  }
  try {
    counter.call<void>("no_such");
    FAIL();
  } catch (const AttributeError& error) {
    EXPECT_NE(std::string(error.what()).find("'no_such'"), std::string::npos) << error.what();
  }
  EXPECT_THROW(counter.call<int>("add"), TypeError);
  EXPECT_THROW(counter.call<int>("add", "text"), TypeError);
  EXPECT_THROW(counter.call<int>("add", 1, 2), TypeError);
  EXPECT_THROW(counter.call<int>("get", 1), TypeError);
  EXPECT_THROW(manager.call<int>("sum", 1, 2, 3), TypeError);
  EXPECT_THROW(static_cast<void>(manager.create<Counter>("Counter", 1, 2)), TypeError);
  EXPECT_THROW(static_cast<void>(manager.create<Counter>("NoCounter")), KeyError);
  EXPECT_THROW(manager.call<int>("no_such"), KeyError);
  EXPECT_EQ(counter.call<int>("get"), 10);
}

TEST_P(BaseManagerTest, ACallThatCallsExitFailsAndTheServerGoesOn) {
  BaseManager manager;
  register_all(manager);
  manager.register_callable("leave", [] { exit(3); });
  manager.start();

  EXPECT_THROW(manager.call<void>("leave"), RemoteError);
  EXPECT_EQ(manager.call<int>("sum", 2, 3), 5);
}

TEST_P(BaseManagerTest, CallsRegisteredCallablesForValuesAndForProxies) {
  BaseManager manager;
  register_all(manager);
  manager.start();

  EXPECT_EQ(manager.call<int>("sum", 2, 3), 5);
  EXPECT_EQ(manager.call<std::vector<int>>("squares", 3), (std::vector<int>{0, 1, 4}));
  const auto squares = manager.call<ListProxy<int>>("squares", 4);
  squares.append(16);
  EXPECT_EQ(squares.copy(), (std::vector<int>{0, 1, 4, 9, 16}));
  const auto ages = manager.call<DictProxy<std::string, int>>("ages");
  ages["ada"] = 36;
  EXPECT_EQ((manager.call<DictProxy<std::string, int>>("ages")["ada"]), 36);
}

void leave_a_mark(Queue<int> marks, int mark) { marks.put(mark); }

TEST_P(BaseManagerTest, CallsTheInitializerInTheServer) {
  BaseManager manager;
  Queue<int> marks;

  manager.start(leave_a_mark, marks, 5);

  EXPECT_EQ(marks.get(10s), 5);
  EXPECT_THROW(manager.start(), ProcessError);
}

void fail_at_once() { mp::exit(3); }

TEST_P(BaseManagerTest, AServerThatEndsAtItsStartIsAnEOFError) {
  BaseManager manager;

  EXPECT_THROW(manager.start(fail_at_once), EOFError);
}

TEST_P(BaseManagerTest, ServesAtAPortToWhoKnowsTheKey) {
  BaseManager server({"127.0.0.1", 0}, "secret");
  register_all(server);
  server.start();
  const Address address = server.address();
  EXPECT_NE(address.port(), 0);

  BaseManager client(address, "secret");
  client.connect();
  BaseManager stranger(address, "wrong");

  EXPECT_EQ(client.call<int>("sum", 1, 2), 3);
  EXPECT_THROW(stranger.connect(), AuthenticationError);
  EXPECT_EQ(client.call<int>("sum", 1, 2), 3);
  auto counter = client.create<Counter>("Counter", 1);
  EXPECT_EQ(counter.call<int>("add", 1), 2);
}

TEST_P(BaseManagerTest, StartsAnewAtTheSameAddressAndPort) {
  Address address("127.0.0.1", 0);
  for (int i = 0; i < 3; ++i) {
    BaseManager manager(address, "secret");
    register_all(manager);
    manager.start();
    address = manager.address();
    BaseManager client(address, "secret");
    client.connect();
    EXPECT_EQ(client.call<int>("sum", i, 1), i + 1);
    manager.shutdown();
    manager.shutdown();
    EXPECT_TRUE(manager.join());
    EXPECT_ANY_THROW(client.call<int>("sum", 1, 1));
  }
}

TEST_P(BaseManagerTest, AnAddressInUseIsASystemError) {
  BaseManager first({"127.0.0.1", 0});
  first.start();
  BaseManager second(first.address());

  EXPECT_THROW(second.start(), std::system_error);
}

void work(Address address) {
  BaseManager manager(address, "abracadabra");
  manager.connect();
  auto jobs = manager.call<QueueProxy<std::string>>("get_job_queue");
  auto results = manager.call<QueueProxy<std::string>>("get_result_queue");
  for (std::string job = jobs.get(); !job.empty(); job = jobs.get()) results.put("done " + job);
}

TEST_P(BaseManagerTest, AServerInThisProcessServesQueuesToWorkersElsewhere) {
  Queue<std::string> jobs;
  Queue<std::string> results;
  BaseManager manager({"127.0.0.1", 0}, "abracadabra");
  manager.register_callable("get_job_queue", [jobs] { return jobs; });
  manager.register_callable("get_result_queue", [results] { return results; });
  Server server = manager.get_server();
  std::vector<Process> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back(work, server.address());
    workers.back().start();
  }
  std::thread serving([&] { server.serve_forever(); });

  for (int i = 0; i < 6; ++i) jobs.put(std::to_string(i));
  std::set<std::string> done;
  for (int i = 0; i < 6; ++i) done.insert(results.get(20s));
  for (int i = 0; i < 3; ++i) jobs.put("");
  for (Process& worker : workers) EXPECT_TRUE(worker.join(20s));
  BaseManager client(server.address(), "abracadabra");
  client.connect();
  client.shutdown();
  serving.join();

  EXPECT_EQ(done.size(), 6U);
  EXPECT_TRUE(done.contains("done 5"));
  EXPECT_THROW(server.serve_forever(), RuntimeError);
}

TEST(UnstartedManagerTest, RefusesToBeUsed) {
  BaseManager manager;

  EXPECT_THROW(static_cast<void>(manager.create<Counter>("Counter", 1)), AssertionError);
  EXPECT_THROW(manager.shutdown(), AttributeError);
  EXPECT_THROW(manager.join(), AttributeError);
  EXPECT_THROW(AutoProxy().call<void>("x"), ValueError);
}

TEST(RegistrationTest, WhatCannotGoToAFreshImageIsATypeErrorThatNamesIt) {
  set_start_method("spawn", true);
  int captured = 5;
  BaseManager manager;
  manager.register_callable("f", [&captured] { return captured; });

  EXPECT_THROW(manager.start(), TypeError);
  set_start_method("fork", true);
}

}  // namespace
}  // namespace multiprocessing
