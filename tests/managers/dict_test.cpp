// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <map>
#include <sstream>

#include "manager_test.hpp"

namespace multiprocessing {
namespace {

using test::ManagerTest;
using Ages = DictProxy<std::string, int>;

class DictTest : public ManagerTest {};
UNDER_EVERY_START_METHOD(DictTest);

void add_ada(Ages ages) { ages["ada"] = 36; }

TEST_P(DictTest, WhatAChildPutsTheParentFinds) {
  const Ages ages = manager_.dict<std::string, int>();

  EXPECT_EQ(run(add_ada, ages), 0);

  EXPECT_EQ(ages["ada"], 36);
  EXPECT_EQ(ages.size(), 1U);
}

TEST_P(DictTest, HasPythonsMembers) {
  const Ages ages = manager_.dict<std::string, int>({{"ada", 36}, {"bob", 40}});

  EXPECT_TRUE(ages.contains("ada"));
  EXPECT_FALSE(ages.contains("eve"));
  EXPECT_EQ(ages.at("bob"), 40);
  EXPECT_EQ(ages.get("bob"), 40);
  EXPECT_EQ(ages.get("eve"), std::nullopt);
  EXPECT_EQ(ages.get("eve", 1), 1);
  EXPECT_EQ(ages.setdefault("eve", 7), 7);
  EXPECT_EQ(ages.setdefault("eve", 8), 7);
  EXPECT_EQ(ages.pop("eve"), 7);
  EXPECT_EQ(ages.pop("eve", 9), 9);
  ages.update({{"ada", 37}, {"joe", 1}});
  EXPECT_EQ(ages.keys(), (std::vector<std::string>{"ada", "bob", "joe"}));
  EXPECT_EQ(ages.values(), (std::vector<int>{37, 40, 1}));
  EXPECT_EQ(ages.popitem(), (std::pair<std::string, int>{"joe", 1}));
  ages.erase("bob");
  EXPECT_EQ(ages.copy(), (std::map<std::string, int>{{"ada", 37}}));
  ages["ada"] += 1;
  EXPECT_EQ(ages["ada"], 38);
  ages.clear();
  EXPECT_TRUE(ages.empty());
}

TEST_P(DictTest, IteratesItsKeysAndPairsInTheOrderOfInsertion) {
  const auto d = manager_.dict<int, std::string>({{3, "c"}, {1, "a"}});
  std::string seen;

  for (const int key : d) seen += std::to_string(key);
  for (const auto& [key, value] : d.items()) seen += std::to_string(key) + value;

  EXPECT_EQ(seen, "313c1a");
}

void fill_as_in_pythons_manual(DictProxy<> d, ListProxy<> l) {
  d[1] = "1";
  d["2"] = 2;
  d[0.25] = nullptr;
  l.reverse();
}

TEST_P(DictTest, OfObjectsHasKeysOfAnyTypeAndPrintsAsPythonDoes) {
  const auto d = manager_.dict();
  const auto l = manager_.list(std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});

  EXPECT_EQ(run(fill_as_in_pythons_manual, d, l), 0);

  EXPECT_EQ(fmt::format("{}", d), "{1: '1', '2': 2, 0.25: None}");
  std::ostringstream out;
  out << l;
  EXPECT_EQ(out.str(), "[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]");
  EXPECT_EQ(d["2"].as<int>(), 2);
  EXPECT_EQ(d[1.0], "1");
}

TEST_P(DictTest, AKeyThatIsNotThereIsAKeyErrorThatNamesIt) {
  const Ages ages = manager_.dict<std::string, int>();

  try {
    static_cast<void>(ages.at("eve"));
    FAIL();
  } catch (const KeyError& error) {
    EXPECT_STREQ(error.what(), "'eve'");
  }
  EXPECT_THROW(ages.erase("eve"), KeyError);
  EXPECT_THROW(ages.pop("eve"), KeyError);
  EXPECT_THROW(ages.popitem(), KeyError);
  EXPECT_THROW(static_cast<void>(ages.call("no_such_method")), AttributeError);
}

TEST_P(DictTest, AListInItIsOneEverywhere) {
  auto lists = manager_.dict<std::string, ListProxy<int>>();
  lists["a"] = manager_.list<int>({1});

  const int exitcode =
      run([](DictProxy<std::string, ListProxy<int>> of) { of["a"]->append(2); }, lists);

  EXPECT_EQ(exitcode, 0);
  const ListProxy<int> a = lists["a"];
  a.append(3);
  EXPECT_EQ(lists.at("a").copy(), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(fmt::format("{}", lists).substr(0, 38), "{'a': <ListProxy object, typeid 'list'");
}

TEST_P(DictTest, OfManyEntriesFindsEachAfterHalfWereErased) {
  const auto d = manager_.dict<int, int>();
  std::vector<std::pair<int, int>> squares;
  for (int i = 0; i < 1000; ++i) squares.emplace_back(i, i * i);
  d.update(squares);

  for (int i = 0; i < 1000; i += 2) d.erase(i);

  EXPECT_EQ(d.size(), 500U);
  for (int i = 1; i < 1000; i += 100) EXPECT_EQ(d[i], i * i);
  EXPECT_EQ(d.keys().front(), 1);
  EXPECT_EQ(d.keys().back(), 999);
}

}  // namespace
}  // namespace multiprocessing
