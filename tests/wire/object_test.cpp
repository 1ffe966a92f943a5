// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <array>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace mp = multiprocessing;
using mp::Object;
using Kind = Object::Kind;

namespace {

enum class Color : std::uint8_t { kRed = 1, kGreen = 200 };

TEST(ObjectTest, IsMadeOfTheCppCounterpart) {
  const std::byte bytes[]{std::byte{1}, std::byte{2}};
  const int numbers[]{1, 2};
  const std::vector<std::pair<Object, std::string>> table{
      {Object(), "None"},
      {nullptr, "None"},
      {std::monostate(), "None"},
      {std::nullopt, "None"},
      {true, "True"},
      {short{-3}, "-3"},
      {3U, "3"},
      {std::uint8_t{200}, "200"},
      {'a', "97"},
      {Color::kGreen, "200"},
      {1.5F, "1.5"},
      {2.5L, "2.5"},
      {"literal", "'literal'"},
      {std::string("string"), "'string'"},
      {std::string_view("view"), "'view'"},
      {std::string(40, 'x'), "'" + std::string(40, 'x') + "'"},
      {std::vector<std::byte>{std::byte{'a'}}, "b'a'"},
      {std::span<const std::byte>(bytes), "b'\\x01\\x02'"},
      {std::array<std::byte, 1>{std::byte{'b'}}, "b'b'"},
      {std::vector<int>{1, 2}, "[1, 2]"},
      {std::deque<std::string>{"a"}, "['a']"},
      {std::list<double>{1}, "[1.0]"},
      {std::array<int, 2>{1, 2}, "[1, 2]"},
      {std::span<const int>(numbers), "[1, 2]"},
      {numbers, "[1, 2]"},
      {std::vector<bool>{true, false}, "[True, False]"},
      {std::tuple<int, std::string, std::nullptr_t>(1, "x", nullptr), "(1, 'x', None)"},
      {std::tuple<>(), "()"},
      {std::pair<int, double>(1, 2.0), "(1, 2.0)"},
      {std::map<std::string, int>{{"a", 1}, {"b", 2}}, "{'a': 1, 'b': 2}"},
      {std::unordered_map<int, bool>{{1, true}}, "{1: True}"},
      {std::set<int>{2, 1}, "{1, 2}"},
      {std::unordered_set<std::string>{"a"}, "{'a'}"},
      {std::optional<int>(), "None"},
      {std::optional<int>(3), "3"},
      {std::optional(std::vector<int>{1}), "[1]"},
      {std::variant<int, std::string>("s"), "'s'"},
      {std::vector<std::map<int, std::set<int>>>{{{1, {2}}}}, "[{1: {2}}]"},
      {std::vector<Object>{1, "x"}, "[1, 'x']"},
  };
  for (const auto& [object, repr] : table) EXPECT_EQ(object.repr(), repr);
}

TEST(ObjectTest, InThePlaceOfAKeyAListBecomesATupleAndASetAFrozenset) {
  EXPECT_EQ(Object(std::map<std::vector<int>, int>{{{1, 2}, 3}}).repr(), "{(1, 2): 3}");
  EXPECT_EQ(Object(std::set<std::vector<std::vector<int>>>{{{1}}}).repr(), "{((1,),)}");
  EXPECT_EQ(Object(std::set<std::set<int>>{{1}}).repr(), "{frozenset({1})}");
  EXPECT_THROW(Object::set({Object::list()}), mp::TypeError);
  EXPECT_THROW(Object::dict({{Object::set(), 1}}), mp::TypeError);
}

TEST(ObjectTest, ContainersAreMadeOfAnyRange) {
  const std::vector<std::string> strings{"a", "b", "a"};

  EXPECT_EQ(Object::list(strings).repr(), "['a', 'b', 'a']");
  EXPECT_EQ(Object::tuple(strings).repr(), "('a', 'b', 'a')");
  EXPECT_EQ(Object::set(strings).repr(), "{'a', 'b'}");
  EXPECT_EQ(Object::frozenset(strings).repr(), "frozenset({'a', 'b'})");
  EXPECT_EQ(Object::dict(std::vector<std::pair<int, int>>{{1, 2}}).repr(), "{1: 2}");
  EXPECT_EQ(Object::list(Object::tuple({1, 2})).repr(), "[1, 2]");
}

TEST(ObjectTest, PointersAndClassesWithoutCounterpartAreRefusedAtCompileTime) {
  struct Unknown {};
  EXPECT_FALSE((std::is_constructible_v<Object, int*>));
  EXPECT_FALSE((std::is_constructible_v<Object, void*>));
  EXPECT_FALSE((std::is_constructible_v<Object, Unknown>));
  EXPECT_FALSE((std::is_constructible_v<Object, std::vector<int*>>));
  EXPECT_FALSE((std::is_constructible_v<Object, std::multimap<int, int>>));
}

TEST(ObjectTest, AnIntThatNeeds64BitsAndNoSignIsRefused) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

  EXPECT_EQ(Object(static_cast<std::uint64_t>(kMax)), kMax);
  EXPECT_THROW(Object(static_cast<std::uint64_t>(kMax) + 1), mp::ValueError);
  EXPECT_THROW(Object(static_cast<const char*>(nullptr)), mp::ValueError);
}

TEST(ObjectTest, IsAsksForTheKindOfValue) {
  EXPECT_TRUE(Object(1).is<int>());
  EXPECT_TRUE(Object(std::int64_t{1} << 40).is<std::int64_t>());
  EXPECT_TRUE(Object(1.5).is<double>());
  EXPECT_TRUE(Object("x").is<std::string>());
  EXPECT_TRUE(Object(true).is<bool>());
  EXPECT_TRUE(Object().is<std::nullptr_t>());
  EXPECT_TRUE(Object().is_none());
  EXPECT_TRUE(Object::bytes("x").is<std::vector<std::byte>>());
  EXPECT_TRUE(Object(1).is<Object>());

  EXPECT_FALSE(Object(true).is<int>());
  EXPECT_FALSE(Object(true).is<double>());
  EXPECT_FALSE(Object(1).is<bool>());
  EXPECT_FALSE(Object(1).is<double>());
  EXPECT_FALSE(Object(1.0).is<int>());
  EXPECT_FALSE(Object("x").is<std::vector<std::byte>>());
  EXPECT_FALSE(Object(0).is_none());
}

TEST(ObjectTest, IsLooksIntoContainers) {
  EXPECT_TRUE(Object::list({1, 2}).is<std::vector<int>>());
  EXPECT_TRUE(Object::list().is<std::vector<int>>());
  EXPECT_TRUE(Object::list({1, 2.5}).is<std::vector<double>>());
  EXPECT_TRUE(Object::list({1, "x"}).is<std::vector<Object>>());
  EXPECT_TRUE((Object::tuple({1, "x"}).is<std::tuple<int, std::string>>()));
  EXPECT_TRUE((Object::dict({{"a", 1}}).is<std::map<std::string, int>>()));
  EXPECT_TRUE(Object::set({1}).is<std::set<int>>());
  EXPECT_TRUE(Object::list({1, nullptr}).is<std::vector<std::optional<int>>>());
  EXPECT_TRUE((Object::list({1, "x"}).is<std::vector<std::variant<int, std::string>>>()));

  EXPECT_FALSE(Object::list({1, "x"}).is<std::vector<int>>());
  EXPECT_FALSE(Object::list({true}).is<std::vector<int>>());
  EXPECT_FALSE(Object::tuple({1, 2}).is<std::vector<int>>());
  EXPECT_FALSE((Object::list({1, 2}).is<std::tuple<int, int>>()));
  EXPECT_FALSE((Object::tuple({1}).is<std::tuple<int, int>>()));
  EXPECT_FALSE((Object::list({1, 2, 3}).is<std::array<int, 2>>()));
  EXPECT_FALSE((Object::dict({{1, 1}}).is<std::map<std::string, int>>()));
}

template <class T> void expect_round_trip(const T& value) {
  const Object o(value);
  EXPECT_TRUE(o.is<T>()) << o;
  EXPECT_EQ(o.as<T>(), value) << o;
}

TEST(ObjectTest, AsGivesBackWhatTheObjectWasMadeOf) {
  expect_round_trip(true);
  expect_round_trip(std::int8_t{-128});
  expect_round_trip(std::numeric_limits<std::int64_t>::min());
  expect_round_trip(Color::kGreen);
  expect_round_trip(0.1F);
  expect_round_trip(std::string("a\0b", 3));
  expect_round_trip(std::vector<std::byte>(50, std::byte{7}));
  expect_round_trip(std::array<std::byte, 2>{std::byte{1}, std::byte{2}});
  expect_round_trip(std::vector<std::vector<int>>{{1}, {}, {2, 3}});
  expect_round_trip(std::vector<bool>{true, false});
  expect_round_trip(std::deque<int>{1, 2});
  expect_round_trip(std::list<std::string>{"a", "b"});
  expect_round_trip(std::array<int, 3>{1, 2, 3});
  expect_round_trip(std::tuple<int, std::string, std::optional<int>>(1, "x", std::nullopt));
  expect_round_trip(std::pair<std::string, double>("x", 0.5));
  expect_round_trip(std::map<std::string, std::vector<int>>{{"a", {1}}, {"b", {}}});
  expect_round_trip(std::unordered_map<int, std::string>{{1, "x"}, {2, "y"}});
  expect_round_trip(std::map<std::vector<int>, std::pair<int, int>>{{{1, 2}, {3, 4}}});
  expect_round_trip(std::set<std::set<std::vector<int>>>{{{1}, {2}}, {}});
  expect_round_trip(std::unordered_set<std::string>{"a", "b"});
  expect_round_trip(std::optional<int>());
  expect_round_trip(std::optional<std::string>("x"));
  expect_round_trip(std::variant<int, double, std::string>(2.0));
  expect_round_trip(std::vector<Object>{1, "x"});
  expect_round_trip(std::monostate());
}

TEST(ObjectTest, AnIntReadAsADoubleIsConvertedAndNothingElse) {
  EXPECT_EQ(Object(3).as<double>(), 3.0);
  EXPECT_EQ(Object::list({1, 2.5}).as<std::vector<double>>(), (std::vector<double>{1, 2.5}));
  EXPECT_EQ((Object(3).as<std::variant<std::string, double>>()),
            (std::variant<std::string, double>(3.0)));

  EXPECT_THROW(Object(3.0).as<int>(), mp::TypeError);
  EXPECT_THROW(Object(true).as<int>(), mp::TypeError);
  EXPECT_THROW(Object(true).as<double>(), mp::TypeError);
  EXPECT_THROW(Object(1).as<bool>(), mp::TypeError);
  EXPECT_THROW(Object("3").as<int>(), mp::TypeError);
  EXPECT_THROW(Object().as<int>(), mp::TypeError);
  EXPECT_THROW(Object("x").as<std::vector<std::byte>>(), mp::TypeError);
  EXPECT_THROW(Object::tuple({1}).as<std::vector<int>>(), mp::TypeError);
  EXPECT_THROW(Object::list({1, "x"}).as<std::vector<int>>(), mp::TypeError);
  EXPECT_THROW((Object::list({1}).as<std::array<int, 2>>()), mp::TypeError);
  EXPECT_THROW((Object("x").as<std::variant<int, double>>()), mp::TypeError);
}

TEST(ObjectTest, ATypeErrorNamesBothTypes) {
  const auto text_of = [](const auto& read) -> std::string {
    try {
      read();
    } catch (const mp::TypeError& error) {
      return error.what();
    }
    return "no error";
  };

  EXPECT_EQ(text_of([] { Object("two").as<int>(); }), "cannot read the str 'two' as int");
  EXPECT_EQ(text_of([] { Object(5).as<std::map<std::string, int>>(); }),
            "cannot read the int 5 as std::map<std::string, int>");
  EXPECT_EQ(text_of([] { Object().as<std::string>(); }), "cannot read the None as std::string");
}

TEST(ObjectTest, AnIntThatDoesNotFitIsAValueError) {
  EXPECT_EQ(Object(255).as<std::uint8_t>(), 255);
  EXPECT_THROW(Object(256).as<std::uint8_t>(), mp::ValueError);
  EXPECT_THROW(Object(-1).as<unsigned>(), mp::ValueError);
  EXPECT_THROW(Object(-1).as<std::uint64_t>(), mp::ValueError);
  EXPECT_THROW(Object(std::int64_t{1} << 31).as<int>(), mp::ValueError);
  EXPECT_THROW(Object::list({1, 300}).as<std::vector<std::int8_t>>(), mp::ValueError);
}

TEST(ObjectTest, VisitHandsOutWhatIsInside) {
  const auto name = [](const Object& o) {
    return o.visit([](const auto& value) -> std::string {
      using T = std::remove_cvref_t<decltype(value)>;
      if constexpr (std::is_same_v<T, std::nullptr_t>)
        return "None";
      else if constexpr (std::is_same_v<T, bool>)
        return "bool";
      else if constexpr (std::is_same_v<T, std::int64_t>)
        return "int";
      else if constexpr (std::is_same_v<T, double>)
        return "float";
      else if constexpr (std::is_same_v<T, std::string>)
        return "str " + value;
      else if constexpr (std::is_same_v<T, std::vector<std::byte>>)
        return "bytes";
      else if constexpr (std::is_same_v<T, Object::List>)
        return "list";
      else if constexpr (std::is_same_v<T, Object::Tuple>)
        return "tuple";
      else if constexpr (std::is_same_v<T, Object::Dict>)
        return "dict";
      else if constexpr (std::is_same_v<T, Object::Set>)
        return "set";
      else
        return "frozenset";
    });
  };
  EXPECT_EQ(name("short"), "str short");
  EXPECT_EQ(name("long enough to be shared"), "str long enough to be shared");
  for (const Object& o : {Object(), Object(true), Object(1), Object(1.5), Object::bytes("b"),
                          Object::bytes("long enough to be shared"), Object::list(),
                          Object::tuple(), Object::dict(), Object::set(), Object::frozenset()}) {
    EXPECT_EQ(name(o), o.is_none() ? "None" : o.type_name());
  }
}

template <class... Fs> struct Overloaded : Fs... { using Fs::operator()...; };
template <class... Fs> Overloaded(Fs...) -> Overloaded<Fs...>;

TEST(ObjectTest, VisitTakesOverloadsAndMonostateForNone) {
  const auto visitor = Overloaded{
      [](std::monostate) { return 1; },      [](bool) { return 2; },
      [](std::int64_t) { return 3; },        [](double) { return 4; },
      [](std::string_view) { return 5; },    [](const std::vector<std::byte>&) { return 6; },
      [](const Object::List&) { return 7; },  // of tuples, too
      [](const Object::Dict&) { return 8; }, [](const Object::Set&) { return 9; },
  };
  EXPECT_EQ(Object().visit(visitor), 1);
  EXPECT_EQ(Object("x").visit(visitor), 5);
  EXPECT_EQ(Object::tuple().visit(visitor), 7);
  EXPECT_EQ(Object::frozenset().visit(visitor), 9);
}

TEST(ObjectTest, ACopyIsIndependentOfItsOriginal) {
  Object original = Object::dict({{"list", Object::list({1, 2})}, {"text", "a rather long text"}});
  Object copy = original;

  copy["list"].append(3);
  copy["text"] = "changed";

  EXPECT_EQ(original.repr(), "{'list': [1, 2], 'text': 'a rather long text'}");
  EXPECT_EQ(copy.repr(), "{'list': [1, 2, 3], 'text': 'changed'}");
}

TEST(ObjectTest, WhatWasMovedFromIsNone) {
  Object from = Object::list({1});
  const Object to = std::move(from);

  EXPECT_EQ(to, Object::list({1}));
  EXPECT_TRUE(from.is_none());  // NOLINT(bugprone-use-after-move): promised
}

TEST(ObjectTest, MayBeAssignedAnElementOfItself) {
  Object o = Object::list({Object::list({Object::list({7})})});
  o = o[0];
  o = Object(o[0]);

  EXPECT_EQ(o, Object::list({7}));
}

TEST(ObjectTest, CopiesInDifferentThreadsDoNotDisturbEachOther) {
  const Object shared = Object::list({Object::list({1, "a text that is shared by copies"})});
  std::vector<std::thread> threads;
  std::vector<Object> results(4);
  for (std::size_t i = 0; i < results.size(); ++i) {
    threads.emplace_back([&shared, &result = results[i]] {
      for (int round = 0; round < 1000; ++round) {
        Object copy = shared;
        copy[0].append(round);
        result = std::move(copy);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(shared[0].size(), 2U);
  for (const Object& result : results) EXPECT_EQ(result[0][-1], 999);
}

}  // namespace
