// SPDX-License-Identifier: BSL-1.0
// Indexing, iterating and changing.
#include <gtest/gtest.h>

#include <chrono>
#include <map>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mp = multiprocessing;
using mp::Object;

namespace {

TEST(ObjectItemsTest, AListIsIndexedFromEitherEnd) {
  const Object list = Object::list({10, 20, 30});

  EXPECT_EQ(list[0], 10);
  EXPECT_EQ(list[-1], 30);
  EXPECT_EQ(list[-3], 10);
  EXPECT_EQ(list[true], 20);
  EXPECT_EQ(list.at(2), 30);
  EXPECT_THROW(list[3], mp::IndexError);
  EXPECT_THROW(list[-4], mp::IndexError);
  EXPECT_THROW(list["0"], mp::TypeError);
  EXPECT_THROW(list[1.0], mp::TypeError);
  EXPECT_THROW(Object::list()[0], mp::IndexError);
}

TEST(ObjectItemsTest, TuplesStrsAndBytesAreIndexedToo) {
  EXPECT_EQ(Object::tuple({1, 2})[-1], 2);
  EXPECT_EQ(Object("a\xc3\xa9z")[1], "\xc3\xa9");
  EXPECT_EQ(Object("a\xc3\xa9z")[-1], "z");
  EXPECT_EQ(Object::bytes("\xff")[0], 255);
  EXPECT_THROW(Object("abc")[3], mp::IndexError);
}

TEST(ObjectItemsTest, ADictIsIndexedByKey) {
  const Object dict = Object::dict({{"a", 1}, {2, "b"}, {Object::tuple({1, 2}), nullptr}});

  EXPECT_EQ(dict["a"], 1);
  EXPECT_EQ(dict[2], "b");
  EXPECT_EQ(dict[2.0], "b");
  EXPECT_TRUE(dict[Object::tuple({1, 2})].is_none());
  EXPECT_THROW(dict["b"], mp::KeyError);
  EXPECT_THROW(dict[Object::list()], mp::TypeError);
}

TEST(ObjectItemsTest, WhatHasNoElementsIsATypeError) {
  for (const Object& o : {Object(), Object(1), Object(1.5), Object(true), Object::set({1})}) {
    EXPECT_THROW(o[0], mp::TypeError) << o;
    Object changed = o;
    EXPECT_THROW(changed[0], mp::TypeError) << o;
    EXPECT_THROW(changed[0] = 1, mp::TypeError) << o;
  }
  EXPECT_THROW(Object(1).size(), mp::TypeError);
  EXPECT_THROW(Object().begin(), mp::TypeError);
  EXPECT_THROW(Object("abc").begin(), mp::TypeError);
}

TEST(ObjectItemsTest, AssignmentReplacesAnElementAndAddsAKey) {
  Object list = Object::list({1, 2});
  list[0] = "x";
  list[-1] = nullptr;
  EXPECT_EQ(list.repr(), "['x', None]");
  EXPECT_THROW(list[2] = 3, mp::IndexError);

  Object dict = Object::dict();
  dict["a"] = 1;
  dict["b"] = Object::list();
  dict["a"] = 2;
  EXPECT_EQ(dict.repr(), "{'a': 2, 'b': []}");
  EXPECT_THROW(dict[Object::list()] = 1, mp::TypeError);

  Object tuple = Object::tuple({1});
  EXPECT_THROW(tuple[0] = 2, mp::TypeError);
  Object text = "abc";
  EXPECT_THROW(text[0] = "x", mp::TypeError);
}

TEST(ObjectItemsTest, AssignmentReachesDown) {
  Object o = Object::dict({{"rows", Object::list({Object::dict({{"n", 1}})})}});

  o["rows"][0]["n"] = o["rows"][0]["n"].as<int>() + 1;
  o["rows"][0]["new"] = o["rows"][0]["n"];
  o["rows"].append("end");
  o["copy"] = o["rows"];
  o["rows"].clear();

  EXPECT_EQ(o.repr(), "{'rows': [], 'copy': [{'n': 2, 'new': 2}, 'end']}");
}

TEST(ObjectItemsTest, AMissingKeyIsAKeyErrorHoweverItIsRead) {
  Object o = Object::dict({{"a", 1}});

  EXPECT_THROW(o["x"], mp::KeyError);
  EXPECT_THROW(static_cast<void>(o["x"]), mp::KeyError);
  EXPECT_THROW(static_cast<void>(static_cast<Object>(o["x"])), mp::KeyError);
  EXPECT_THROW(o["x"].as<int>(), mp::KeyError);
  EXPECT_THROW(static_cast<void>(o["x"].is_none()), mp::KeyError);
  EXPECT_THROW(static_cast<void>(o["x"] == 1), mp::KeyError);
  EXPECT_THROW(o["x"]["y"], mp::KeyError);
  EXPECT_THROW(o["x"]["y"] = 1, mp::KeyError);
  EXPECT_THROW(o["x"].append(1), mp::KeyError);
  EXPECT_EQ(o.repr(), "{'a': 1}");
}

TEST(ObjectItemsTest, AnErrorNamesTheKeyOrTheIndex) {
  try {
    Object::dict()["no such key"];
    FAIL();
  } catch (const mp::KeyError& error) {
    EXPECT_STREQ(error.what(), "the dict has no key 'no such key'");
  }
  try {
    Object::list({1})[7];
    FAIL();
  } catch (const mp::IndexError& error) {
    EXPECT_STREQ(error.what(), "list index 7 out of range: it has 1 element");
  }
}

TEST(ObjectItemsTest, AnItemReadsAsItsElement) {
  Object o =
      Object::dict({{"n", 1}, {"list", Object::list({1, 2})}, {"d", Object::dict({{1, 2}})}});

  EXPECT_EQ(o["n"], 1);
  EXPECT_EQ(1, o["n"]);
  EXPECT_LT(o["n"], 2);
  EXPECT_EQ(o["list"], o["list"]);
  EXPECT_TRUE(o["n"].is<int>());
  EXPECT_EQ(o["n"].as<double>(), 1.0);
  EXPECT_EQ(o["list"].as<std::vector<int>>(), (std::vector<int>{1, 2}));
  EXPECT_EQ(o["list"].size(), 2U);
  EXPECT_EQ(o["list"][1], 2);
  EXPECT_TRUE(o["list"].contains(2));
  EXPECT_EQ(o["d"].get(1), 2);
  EXPECT_EQ(o["d"].keys(), (std::vector<Object>{1}));
  EXPECT_EQ(o["n"].hash(), Object(1).hash());
  EXPECT_EQ(o["n"].visit([](const auto& value) { return sizeof value; }), sizeof(std::int64_t));
  EXPECT_TRUE(static_cast<bool>(o["n"]));
  std::vector<Object> elements;
  for (const Object& element : o["list"]) elements.push_back(element);
  elements.push_back(o["n"]);
  elements.emplace_back(o["n"]);
  EXPECT_EQ(elements, (std::vector<Object>{1, 2, 1, 1}));
}

TEST(ObjectItemsTest, AnItemThatIsKeptIsAValue) {
  Object o = Object::dict({{"a", Object::list({1})}});
  const auto item = o["a"];
  const Object& reference = o["a"];
  const Object value = o["a"];

  o["a"].append(2);
  o = nullptr;

  EXPECT_EQ(item, Object::list({1}));
  EXPECT_EQ(reference, Object::list({1}));
  EXPECT_EQ(value, Object::list({1}));
}

template <class T>
concept CanBeAssigned = requires(T t) {
  static_cast<T&&>(t) = 1;
};

TEST(ObjectItemsTest, WhatNobodyCouldSeeCannotBeChanged) {
  EXPECT_FALSE(CanBeAssigned<Object>);  // what a function returns, an element of a const Object
  EXPECT_FALSE(CanBeAssigned<Object::Item&>);  // an item that was kept
  EXPECT_TRUE(CanBeAssigned<Object::Item>);
  EXPECT_TRUE(CanBeAssigned<Object&>);
}

TEST(ObjectItemsTest, IteratesElementsAndKeys) {
  const auto elements = [](const Object& o) { return std::vector<Object>(o.begin(), o.end()); };

  EXPECT_EQ(elements(Object::list({1, "x"})), (std::vector<Object>{1, "x"}));
  EXPECT_EQ(elements(Object::tuple({1})), (std::vector<Object>{1}));
  EXPECT_EQ(elements(Object::set({3, 1})), (std::vector<Object>{3, 1}));
  EXPECT_EQ(elements(Object::dict({{"b", 1}, {"a", 2}})), (std::vector<Object>{"b", "a"}));
  for (const Object& o : {Object::list(), Object::tuple(), Object::set(), Object::dict()})
    EXPECT_TRUE(elements(o).empty());
}

TEST(ObjectItemsTest, WhatIsIteratedMayBeChangedMeanwhile) {
  Object list = Object::list({1, 2, 3});
  for (const Object& element : list) list.append(element);
  EXPECT_EQ(list, Object::list({1, 2, 3, 1, 2, 3}));

  Object dict = Object::dict({{1, 1}, {2, 2}});
  for (const Object& key : dict) dict.erase(key);
  EXPECT_TRUE(dict.empty());
}

TEST(ObjectItemsTest, KeysValuesAndItemsComeInTheOrderOfInsertion) {
  Object dict = Object::dict();
  for (const int key : {3, 1, 2}) dict[key] = key * 10;
  dict.erase(1);
  dict[1] = 5;
  dict[3] = 6;

  EXPECT_EQ(dict.keys(), (std::vector<Object>{3, 2, 1}));
  EXPECT_EQ(dict.values(), (std::vector<Object>{6, 20, 5}));
  std::string text;
  for (const auto& [key, value] : dict.items()) text += key.repr() + ':' + value.repr() + ' ';
  EXPECT_EQ(text, "3:6 2:20 1:5 ");
}

TEST(ObjectItemsTest, GetAndPopOfADictTakeAFallback) {
  Object dict = Object::dict({{"a", 1}});

  EXPECT_EQ(dict.get("a"), 1);
  EXPECT_TRUE(dict.get("x").is_none());
  EXPECT_EQ(dict.get("x", 7), 7);
  EXPECT_EQ(dict.pop("x", 7), 7);
  EXPECT_EQ(dict.pop("a", 7), 1);
  EXPECT_THROW(dict.pop("a"), mp::KeyError);
  EXPECT_TRUE(dict.empty());
}

TEST(ObjectItemsTest, ListsChangeAsInPython) {
  Object list = Object::list({1});
  list.append(2);
  list.extend(Object::tuple({3, 4}));
  list.extend(list);
  list.insert(0, "first");
  list.insert(-1, "last but one");
  list.insert(100, "end");
  list.insert(-100, "begin");
  EXPECT_EQ(list.repr(), "['begin', 'first', 1, 2, 3, 4, 1, 2, 3, 'last but one', 4, 'end']");

  EXPECT_EQ(list.pop(), "end");
  EXPECT_EQ(list.pop(0), "begin");
  EXPECT_EQ(list.pop(-2), "last but one");
  list.erase(0);
  EXPECT_EQ(list, Object::list({1, 2, 3, 4, 1, 2, 3, 4}));
  EXPECT_THROW(list.pop(8), mp::IndexError);
  EXPECT_THROW(list.erase(8), mp::IndexError);
  list.clear();
  EXPECT_THROW(list.pop(), mp::IndexError);
  EXPECT_THROW(list.extend(1), mp::TypeError);
}

TEST(ObjectItemsTest, SetsAndDictsChangeAsInPython) {
  Object set = Object::set({1});
  set.add(2);
  set.add(1.0);
  set.update(Object::list({3, 1}));
  set.discard(2);
  set.discard(99);
  EXPECT_EQ(set.repr(), "{1, 3}");
  set.erase(3);
  EXPECT_THROW(set.erase(3), mp::KeyError);
  EXPECT_THROW(set.add(Object::list()), mp::TypeError);

  Object dict = Object::dict({{1, "a"}});
  dict.update(Object::dict({{2, "b"}, {1, "c"}}));
  dict.update(dict);
  EXPECT_EQ(dict.repr(), "{1: 'c', 2: 'b'}");
  EXPECT_THROW(dict.erase(3), mp::KeyError);
  EXPECT_THROW(dict.update(Object::list()), mp::TypeError);
}

TEST(ObjectItemsTest, WhatATypeCannotDoIsAnAttributeError) {
  Object tuple = Object::tuple({1});
  Object frozen = Object::frozenset({1});
  Object none;

  EXPECT_THROW(tuple.append(1), mp::AttributeError);
  EXPECT_THROW(tuple.pop(), mp::AttributeError);
  EXPECT_THROW(frozen.add(1), mp::AttributeError);
  EXPECT_THROW(none.get(1), mp::AttributeError);
  EXPECT_THROW(none.keys(), mp::AttributeError);
  EXPECT_THROW(none.clear(), mp::AttributeError);
}

TEST(ObjectItemsTest, ContainsIsPythonsIn) {
  EXPECT_TRUE(Object::list({1, "x"}).contains("x"));
  EXPECT_TRUE(Object::tuple({1}).contains(1.0));
  EXPECT_FALSE(Object::list({1}).contains("1"));
  EXPECT_TRUE(Object::dict({{"k", 1}}).contains("k"));
  EXPECT_FALSE(Object::dict({{"k", 1}}).contains(1));
  EXPECT_TRUE(Object::set({1}).contains(true));
  EXPECT_TRUE(Object("abc").contains("bc"));
  EXPECT_TRUE(Object::bytes("abc").contains(97));
  EXPECT_THROW(Object("abc").contains(1), mp::TypeError);
  EXPECT_THROW(Object::bytes("abc").contains(256), mp::ValueError);
  EXPECT_THROW(Object(1).contains(1), mp::TypeError);
}

TEST(ObjectItemsTest, SizeCountsElementsCharactersAndBytes) {
  EXPECT_EQ(Object("a\xc3\xa9\xf0\x9f\x98\x80").size(), 3U);
  EXPECT_EQ(Object::bytes("\xc3\xa9").size(), 2U);
  EXPECT_EQ(Object::dict({{1, 2}}).size(), 1U);
  EXPECT_TRUE(Object("").empty());
}

TEST(ObjectItemsTest, TruthIsPythons) {
  for (const Object& o :
       {Object(), Object(false), Object(0), Object(0.0), Object(""), Object::bytes(""),
        Object::list(), Object::tuple(), Object::dict(), Object::set(), Object::frozenset()}) {
    EXPECT_FALSE(static_cast<bool>(o)) << o;
  }
  for (const Object& o : {Object(true), Object(-1), Object(0.5), Object("0"), Object::bytes("x"),
                          Object::list({0}), Object::dict({{0, 0}}), Object::set({0})}) {
    EXPECT_TRUE(static_cast<bool>(o)) << o;
  }
}

TEST(ObjectItemsTest, ADictBehavesAsAMapOverManyRandomChanges) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  Object dict = Object::dict();
  Object set = Object::set();
  std::map<int, int> expected;
  for (int round = 0; round < 20'000; ++round) {
    const int key = static_cast<int>(random() % 300);
    if (random() % 2 == 0) {
      dict[key] = round;
      set.add(key);
      expected[key] = round;
    } else {
      EXPECT_EQ(dict.contains(key), expected.contains(key));
      dict.pop(key, nullptr);
      set.discard(key);
      expected.erase(key);
    }
    ASSERT_EQ(dict.size(), expected.size());
    ASSERT_EQ(set.size(), expected.size());
  }

  EXPECT_EQ((dict.as<std::map<int, int>>()), expected);
  EXPECT_EQ(dict, Object(expected));
  for (const auto& [key, value] : expected) EXPECT_TRUE(set.contains(key));
}

TEST(ObjectItemsTest, KeysThatAreMultiplesOfALargePowerOfTwoDoNotCollide) {
  Object dict = Object::dict();
  for (std::int64_t i = 0; i < 50'000; ++i) dict[i << 40] = i;

  EXPECT_EQ(dict.size(), 50'000U);
  for (std::int64_t i = 0; i < 50'000; i += 777) EXPECT_EQ(dict[i << 40], i);
}

}  // namespace
