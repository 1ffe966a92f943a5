// SPDX-License-Identifier: BSL-1.0
// Proxies and handles in Objects: containers of a manager that hold each other, queues of anything.
#include <fmt/ranges.h>

#include <future>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "manager_test.hpp"

namespace multiprocessing {
namespace {

using test::eventually;
using test::ManagerTest;
using namespace std::chrono_literals;

class NestedObjectTest : public ManagerTest {
 protected:
  bool objects_are(std::size_t n) {
    return eventually([&] { return manager_.number_of_objects() == n; }, 10s);
  }
};
UNDER_EVERY_START_METHOD(NestedObjectTest);

// What the TypeError says.
template <class F> std::string error_of(F&& f) {
  try {
    f();
  } catch (const TypeError& error) {
    return error.what();
  }
  return "no TypeError";
}

void expect_named(const std::string& error, const std::string& part) {
  EXPECT_NE(error.find(part), std::string::npos) << error;
}

TEST_P(NestedObjectTest, PythonsExampleOfNestedProxiesIsPortedLineByLine) {
  auto d = manager_.dict();
  auto l = manager_.list<int>();
  d["l"] = l;
  l.append(1);
  d["l"].as<ListProxy<int>>().append(2);
  EXPECT_EQ(l.copy(), (std::vector<int>{1, 2}));

  auto outer = manager_.list({manager_.dict(), manager_.dict()});
  const auto first = outer[0].as<DictProxy<>>();
  first["a"] = 1;
  first["b"] = 2;
  outer[1].as<DictProxy<>>()["c"] = 3;
  outer.append(manager_.dict({{"inner", manager_.list({1, "two"})}}));
  EXPECT_EQ(fmt::format("{}", outer[0].as<DictProxy<>>()), "{'a': 1, 'b': 2}");
  EXPECT_EQ(outer[1].as<DictProxy<>>()["c"], 3);
  EXPECT_EQ(outer[-1].as<DictProxy<>>()["inner"].as<ListProxy<>>()[1], "two");
  EXPECT_TRUE(outer[0].is<DictProxy<>>());
  EXPECT_FALSE(outer[0].is<ListProxy<>>());
}

TEST_P(NestedObjectTest, AnElementOfAnElementIsIndexedAtOnce) {
  const auto scores = manager_.dict<std::string, ListProxy<int>>();
  scores["ada"] = manager_.list<int>({1, 2});
  const auto mixed = manager_.dict({{"list", Object::list({1, Object::dict({{"q", 5}})})}});

  scores["ada"][0] = 7;

  EXPECT_EQ(scores["ada"][0], 7);
  EXPECT_EQ(mixed["list"][1]["q"], 5);
}

TEST_P(NestedObjectTest, AChildsChangesOfWhatIsNestedAreSeenByAll) {
  const auto d = manager_.dict();
  const auto l = manager_.list<int>({1});
  d["l"] = l;
  d["plain"] = 5;
  const auto child = [](DictProxy<> dict, Object argument) {
    auto list = dict["l"].as<ListProxy<int>>();
    list.append(dict["plain"].as<int>());
    dict["new"] = argument[1];
    argument[0].as<ListProxy<int>>().append(6);
    argument[1].as<DictProxy<>>()["from"] = "child";
  };

  EXPECT_EQ(run(child, d, Object::list({l, manager_.dict()})), 0);

  EXPECT_EQ(l.copy(), (std::vector<int>{1, 5, 6}));
  EXPECT_EQ(d["new"].as<DictProxy<>>()["from"], "child");
}

TEST_P(NestedObjectTest, ANamespaceKeepsLocksOfTheManagerAndOfTheProgram) {
  const auto names = manager_.Namespace();
  Lock shared;
  Value<int> counter(0);
  names["lock"] = manager_.Lock();
  names["shared"] = shared;
  names["counter"] = counter;
  const auto child = [](NamespaceProxy ns) {
    auto lock = ns.get<LockProxy>("lock");
    lock.acquire();
    ns.get<Lock>("shared").acquire();
    ns["counter"].as<Value<int>>().value() = 3;
  };

  EXPECT_EQ(run(child, names), 0);

  EXPECT_EQ(counter.value(), 3);
  EXPECT_TRUE(shared.locked());
  expect_named(error_of([&] { static_cast<void>(names.get<Lock>("lock")); }), "LockProxy");
}

TEST_P(NestedObjectTest, QueuesOfObjectsCarryProxiesAndHandlesBesideValues) {
  Queue<> jobs;
  const auto managed = manager_.Queue();
  const auto results = manager_.list();
  const Event done;
  const auto child = [](Queue<> from, QueueProxy<> managed_from) {
    const auto list = from.get().as<ListProxy<>>();
    const Object both = managed_from.get();
    list.append(from.get());
    both["results"].as<ListProxy<>>().append("managed");
    both["done"].as<Event>().set();
  };
  jobs.put(results);
  jobs.put(Object::tuple({1, "two"}));
  managed.put(Object::dict({{"results", results}, {"done", done}}));

  EXPECT_EQ(run(child, jobs, managed), 0);

  EXPECT_TRUE(done.is_set());
  EXPECT_EQ(results.copy(), (std::vector<Object>{Object::tuple({1, "two"}), "managed"}));
}

TEST_P(NestedObjectTest, APipeTakesThemTypedOrNot) {
  auto [a, b] = Pipe();
  const auto list = manager_.list<int>({1});
  const Lock lock;

  a.send(list);
  a.send(lock);
  a.send(Object(list));
  a.send(std::vector<ListProxy<int>>{list, list});

  EXPECT_EQ(b.recv(), list);
  EXPECT_EQ(b.recv(), lock);
  EXPECT_EQ(b.recv<ListProxy<int>>(), list);
  EXPECT_EQ(b.recv(), Object::list({list, list}));
}

Object first_of(Object list) { return list.as<ListProxy<>>().at(0); }

TEST_P(NestedObjectTest, APoolsTasksTakeAndReturnThem) {
  auto pool = context_.Pool(1);
  const auto inner = manager_.list({1});
  const auto outer = manager_.list({inner});

  EXPECT_EQ(pool.apply(first_of, Object(outer)), inner);
}

TEST_P(NestedObjectTest, TypedProxiesAndDynamicOnesOfOneObjectUnderstandEachOther) {
  const auto typed = manager_.dict<std::string, ListProxy<int>>();
  const auto dynamic = Object(typed).as<DictProxy<>>();
  const auto list = manager_.list<int>({1});

  typed["a"] = list;
  EXPECT_EQ(dynamic["a"], list);
  EXPECT_EQ(dynamic.values(), (std::vector<Object>{list}));
  dynamic["b"] = list;
  typed["b"]->append(2);
  EXPECT_EQ(typed.at("b"), list);
  EXPECT_EQ(list.size(), 2U);

  expect_named(error_of([&] { dynamic["c"] = manager_.dict(); }), "ListProxy<int>");
  expect_named(error_of([&] { dynamic["c"] = 1; }), "ListProxy<int>");
  EXPECT_FALSE(typed.contains("c"));
}

TEST_P(NestedObjectTest, AProxyOfAnotherKindIsATypeErrorThatNamesBoth) {
  const Object dict = manager_.dict();
  const Object joinable = manager_.JoinableQueue();

  expect_named(error_of([&] { static_cast<void>(dict.as<ListProxy<int>>()); }), "DictProxy");
  expect_named(error_of([&] { static_cast<void>(dict.as<ListProxy<int>>()); }), "ListProxy<int>");
  expect_named(error_of([&] { static_cast<void>(dict.as<Lock>()); }), "DictProxy");
  expect_named(error_of([&] { static_cast<void>(dict.as<std::string>()); }), "DictProxy");
  expect_named(error_of([&] { static_cast<void>(Object(Lock()).as<LockProxy>()); }), "Lock");
  EXPECT_TRUE(dict.is<AutoProxy>());
  EXPECT_EQ(dict.as<AutoProxy>().call<int>("__len__"), 0);
  EXPECT_TRUE(joinable.is<QueueProxy<>>() && joinable.is<JoinableQueueProxy<int>>());
  EXPECT_FALSE(Object(manager_.Queue()).is<JoinableQueueProxy<>>());
  EXPECT_THROW(static_cast<void>(Object(ListProxy<int>())), ValueError);
}

TEST_P(NestedObjectTest, EveryProxyComesBackAsItsOwnKind) {
  const auto all = manager_.list();
  const auto comes_back = [&]<class P>(const P& proxy) {
    all.append(proxy);
    return all[-1].template as<P>() == proxy;
  };

  EXPECT_TRUE(comes_back(manager_.set<int>({1})));
  EXPECT_TRUE(comes_back(manager_.Namespace()));
  EXPECT_TRUE(comes_back(manager_.Queue<int>()));
  EXPECT_TRUE(comes_back(manager_.JoinableQueue()));
  EXPECT_TRUE(comes_back(manager_.Lock()));
  EXPECT_TRUE(comes_back(manager_.RLock()));
  EXPECT_TRUE(comes_back(manager_.Semaphore(1)));
  EXPECT_TRUE(comes_back(manager_.BoundedSemaphore(1)));
  EXPECT_TRUE(comes_back(manager_.Event()));
  EXPECT_TRUE(comes_back(manager_.Condition()));
  EXPECT_TRUE(comes_back(manager_.Barrier(1)));
  EXPECT_TRUE(comes_back(manager_.Value(1)));
  EXPECT_TRUE(comes_back(manager_.Array<int>({1})));
}

TEST_P(NestedObjectTest, ProxiesAreEqualAndHashedByWhatTheyName) {
  const auto list = manager_.list<int>();
  const auto other = manager_.list<int>();
  const auto all = manager_.list({1, list, other});
  const auto names = manager_.dict({{Object(list), "list"}});

  EXPECT_EQ(all.index(list), 1U);
  EXPECT_EQ(all.count(other), 1U);
  all.remove(list);
  EXPECT_FALSE(all.contains(list));
  EXPECT_EQ(names[list], "list");
  EXPECT_TRUE(all[1] == other);
  EXPECT_EQ(Object(list).hash(), Object(names.keys()[0]).hash());
  EXPECT_NE(Object(list), Object(other));
  EXPECT_EQ(Object::set({list, other, list}).size(), 2U);
}

TEST_P(NestedObjectTest, PrintsAsPythonPrintsAProxyWithinAContainer) {
  const auto list = manager_.list<int>({1});
  const Object o = list;

  EXPECT_STREQ(o.type_name(), "ListProxy");
  EXPECT_EQ(o.repr(), list.repr());
  EXPECT_EQ(o.str(), "[1]");
  EXPECT_EQ(manager_.dict({{"l", list}}).str(), "{'l': " + list.repr() + "}");
  EXPECT_EQ(fmt::format("{}", manager_.list({list})[0]), "[1]");
}

TEST_P(NestedObjectTest, AProxyThatIsARangeIsCopiedWhereARangeIsAskedForOnly) {
  const auto list = manager_.list<int>({1, 2});

  EXPECT_EQ(manager_.list(list).copy(), (std::vector<Object>{1, 2}));
  EXPECT_EQ(manager_.list({list}).copy(), (std::vector<Object>{list}));
  const auto more = manager_.list();
  more.extend(list);
  more.extend({list});
  EXPECT_EQ(more.size(), 3U);
  EXPECT_EQ(more.pop(), list);
}

TEST_P(NestedObjectTest, WhatIsNestedLivesAsLongAsItsContainer) {
  auto outer = std::optional(manager_.dict());
  (*outer)["a"] = manager_.list();
  (*outer)["b"] = Object::list({manager_.dict({{"deep", manager_.list()}}), 1});
  EXPECT_TRUE(objects_are(4));

  EXPECT_EQ((*outer)["a"].as<ListProxy<>>().size(), 0U);
  outer->erase("a");
  EXPECT_TRUE(objects_are(3));

  auto taken = std::optional(outer->pop("b"));
  outer.reset();
  EXPECT_TRUE(objects_are(2));
  EXPECT_EQ((*taken)[0].as<DictProxy<>>()["deep"].as<ListProxy<>>().size(), 0U);
  taken.reset();
  EXPECT_TRUE(objects_are(0));
}

TEST_P(NestedObjectTest, TheServersMemoryIsFlatOverProxiesAndHandlesNestedAndErased) {
  const auto d = manager_.dict();
  const auto l = manager_.list<int>();
  const Lock lock;
  const int server = active_children().front().pid();
  const auto go_on = [&](int times) {
    for (int i = 0; i < times; ++i) {
      d["own"] = manager_.list();
      d["others"] = Object::list({l, lock});
      d.erase("others");
    }
    d.clear();
    EXPECT_TRUE(objects_are(2));
  };
  go_on(1000);
  const std::size_t before = test::resident_kib(server);

  go_on(10000);

  EXPECT_LT(test::resident_kib(server), before + 1024);
}

TEST_P(NestedObjectTest, AProcessThatIsKilledWhileItSendsThemLeavesNothing) {
  const auto d = manager_.dict();
  for (int i = 0; i < test::rounds(3, 100); ++i) {
    Queue<> queue;
    auto child = context_.Process(
        [](Queue<> to, DictProxy<> dict, Address address) {
          SyncManager maker(address);
          maker.connect();
          for (;;) {
            const auto list = maker.list();
            to.put(Object::list({list, Lock()}));
            dict["last"] = Object::tuple({list, to});
          }
        },
        queue, d, manager_.address());
    child.start();
    for (int taken = 0; taken < 5; ++taken) EXPECT_TRUE(queue.get()[0].is<ListProxy<>>());

    child.kill();
    child.join();
    d.clear();
  }
  // What a killed process had sent last the server may do after its end.
  EXPECT_TRUE(eventually([&] { return d.clear(), manager_.number_of_objects() == 1; }, 20s));
}

TEST_P(NestedObjectTest, AMessageThatIsCutShortIsAValueError) {
  const Object o = Object::list({manager_.list(), 1});
  detail::Encoder encoder;
  detail::encode(encoder, o);
  for (std::size_t n = 0; n < encoder.size(); ++n) {
    detail::Decoder cut(encoder.bytes().first(n), encoder.handles());
    EXPECT_THROW(static_cast<void>(detail::decode<Object>(cut)), ValueError) << n;
  }
  detail::Decoder whole(encoder.bytes(), encoder.handles());
  EXPECT_EQ(detail::decode<Object>(whole), o);
}

TEST_P(NestedObjectTest, PythonIsToldClearlyThatItCannotHaveThem) {
  Listener listener({"127.0.0.1", 0}, "secret");
  auto other_side = std::async(std::launch::async, [&] { return listener.accept(); });
  Connection connection = Client(listener.address(), "secret");

  expect_named(error_of([&] { connection.send(Object::list({manager_.list()})); }),
               "a ListProxy has no counterpart in Python");
  expect_named(error_of([&] { connection.send(Object(Lock())); }),
               "a Lock has no counterpart in Python");
  connection.send("plain");
  EXPECT_EQ(other_side.get().recv(), "plain");
}

}  // namespace
}  // namespace multiprocessing
