// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include "manager_test.hpp"

namespace multiprocessing {
namespace {

using test::ManagerTest;
using namespace std::chrono_literals;

class ListTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(ListTest);

TEST_P(ListTest, HasPythonsMembers) {
  const auto l = manager_.list<int>({3, 1, 2});

  l.append(5);
  l.extend({7, 7});
  l.insert(0, 9);
  EXPECT_EQ(l.copy(), (std::vector<int>{9, 3, 1, 2, 5, 7, 7}));
  EXPECT_EQ(l.pop(), 7);
  EXPECT_EQ(l.pop(0), 9);
  l.remove(5);
  EXPECT_EQ(l.index(2), 2U);
  EXPECT_EQ(l.count(7), 1U);
  EXPECT_TRUE(l.contains(3));
  l.reverse();
  EXPECT_EQ(l.copy(), (std::vector<int>{7, 2, 1, 3}));
  l.sort();
  EXPECT_EQ(l.copy(), (std::vector<int>{1, 2, 3, 7}));
  l.sort(true);
  EXPECT_EQ(l.slice(1, 3), (std::vector<int>{3, 2}));
  EXPECT_EQ(l.slice(-2, 100), (std::vector<int>{2, 1}));
  l[0] = 70;
  l[-1] = 10;
  l.erase(1);
  EXPECT_EQ(l.copy(), (std::vector<int>{70, 2, 10}));
  EXPECT_EQ(l[-2], 2);
  l.clear();
  EXPECT_TRUE(l.empty());
}

TEST_P(ListTest, AnIndexBeyondItsEndsIsAnIndexErrorAndAMissingValueAValueError) {
  const auto l = manager_.list<int>({1, 2});

  EXPECT_THROW(static_cast<void>(l.at(2)), IndexError);
  EXPECT_THROW(static_cast<void>(l.at(-3)), IndexError);
  EXPECT_THROW(l[2] = 1, IndexError);
  EXPECT_THROW(l.pop(7), IndexError);
  EXPECT_THROW(l.remove(7), ValueError);
  EXPECT_THROW(static_cast<void>(l.index(7)), ValueError);
}

TEST_P(ListTest, OfObjectsHoldsAnythingAndRefusesToSortIt) {
  const auto l = manager_.list({1, "two", nullptr});

  EXPECT_EQ(fmt::format("{}", l), "[1, 'two', None]");
  EXPECT_THROW(l.sort(), TypeError);
  EXPECT_EQ(l.size(), 3U);
  int seen = 0;
  for (const Object& o : l) seen += o.is_none() ? 100 : 1;
  EXPECT_EQ(seen, 102);
}

struct Point {
  int x;
  int y;
};

TEST_P(ListTest, HoldsAProgramsOwnTypes) {
  const auto l = manager_.list<Point>({{1, 2}});

  const int exitcode = run([](ListProxy<Point> points) { points.append({3, 4}); }, l);

  EXPECT_EQ(exitcode, 0);
  EXPECT_EQ(l.at(1).y, 4);
  EXPECT_THROW(l.remove({1, 2}), TypeError);
}

TEST_P(ListTest, HoldsTruthValuesAndHandlesOfSharedObjects) {
  const auto flags = manager_.list<bool>({true, false});
  const auto queues = manager_.list<Queue<int>>();
  Queue<int> queue;
  queues.append(queue);

  const int exitcode = run([](ListProxy<Queue<int>> all) { all.at(0).put(5); }, queues);

  EXPECT_EQ(exitcode, 0);
  EXPECT_EQ(queue.get(10s), 5);
  EXPECT_EQ(flags.copy(), (std::vector<bool>{true, false}));
}

class SetTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(SetTest);

TEST_P(SetTest, HasPythonsMembers) {
  const auto s = manager_.set<int>({3, 1, 3});

  s.add(5);
  s.discard(77);
  s.remove(1);
  EXPECT_EQ(s.copy(), (std::set<int>{3, 5}));
  EXPECT_THROW(s.remove(1), KeyError);
  s.update({7, 8});
  s.intersection_update(std::vector<int>{3, 5, 7});
  s.difference_update(std::vector<int>{5});
  s.symmetric_difference_update(std::vector<int>{7, 9});
  EXPECT_EQ(s.copy(), (std::set<int>{3, 9}));
  EXPECT_EQ(s.union_(std::vector<int>{4}), (std::set<int>{3, 4, 9}));
  EXPECT_EQ(s.intersection(std::vector<int>{3, 4}), (std::set<int>{3}));
  EXPECT_EQ(s.difference(std::vector<int>{3}), (std::set<int>{9}));
  EXPECT_EQ(s.symmetric_difference(std::vector<int>{3, 1}), (std::set<int>{1, 9}));
  EXPECT_TRUE(s.isdisjoint(std::vector<int>{1}));
  EXPECT_TRUE(s.issubset(std::vector<int>{1, 3, 9}));
  EXPECT_TRUE(s.issuperset(std::vector<int>{9}));
  EXPECT_EQ(fmt::format("{}", s), "{3, 9}");
  EXPECT_EQ(s.pop(), 3);
  s.clear();
  EXPECT_THROW(s.pop(), KeyError);
  EXPECT_EQ(fmt::format("{}", s), "set()");
}

class ValueTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(ValueTest);

TEST_P(ValueTest, IsReadAndWrittenByAll) {
  const auto v = manager_.Value<double>(1.5);

  const int exitcode = run([](ValueProxy<double> value) { value.value(value.value() + 1); }, v);

  EXPECT_EQ(exitcode, 0);
  EXPECT_EQ(v.get(), 2.5);
  v.set(3);
  EXPECT_EQ(fmt::format("{}", v), "Value(3.0)");
}

TEST_P(ValueTest, OfAStringLiteralIsAString) {
  const auto v = manager_.Value("text");

  EXPECT_EQ(v.get(), "text");
}

TEST_P(ValueTest, AnArrayHasAFixedNumberOfElements) {
  const auto a = manager_.Array<int>({1, 2, 3});
  const auto zeros = manager_.Array<double>(4);

  const int exitcode = run([](ArrayProxy<int> array) { array[1] = array[-1] + 10; }, a);

  EXPECT_EQ(exitcode, 0);
  EXPECT_EQ(a.copy(), (std::vector<int>{1, 13, 3}));
  EXPECT_EQ(a.slice(1, 3), (std::vector<int>{13, 3}));
  EXPECT_EQ(zeros.size(), 4U);
  EXPECT_EQ(fmt::format("{}", a), "array('i', [1, 13, 3])");
  EXPECT_THROW(a[3] = 1, IndexError);
}

class NamespaceTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(NamespaceTest);

TEST_P(NamespaceTest, HasAttributesByName) {
  const NamespaceProxy ns = manager_.Namespace({{"x", 10}});

  const int exitcode = run([](NamespaceProxy names) { names["y"] = "hello"; }, ns);
  ns["_z"] = 12.3;

  EXPECT_EQ(exitcode, 0);
  EXPECT_EQ(ns.get<int>("x"), 10);
  EXPECT_EQ(ns.get<std::string>("y"), "hello");
  EXPECT_EQ(fmt::format("{}", ns), "Namespace(x=10, y='hello')");
  ns.erase("x");
  EXPECT_FALSE(ns.contains("x"));
  EXPECT_THROW(static_cast<void>(ns.get("x")), AttributeError);
  EXPECT_THROW(ns.erase("x"), AttributeError);
  EXPECT_THROW(static_cast<void>(ns.get<int>("y")), TypeError);
}

}  // namespace
}  // namespace multiprocessing
