// SPDX-License-Identifier: BSL-1.0
// The tables are what CPython 3.13 answers.
#include <gtest/gtest.h>

#include <limits>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <string>
#include <unordered_map>
#include <vector>

namespace mp = multiprocessing;
using mp::Object;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::int64_t kTwoTo53 = std::int64_t{1} << 53;
constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
constexpr double kTwoTo63 = 9223372036854775808.0;

struct Row {
  Object value;
  std::string outcomes;  // of the comparison with the value of each row
};

// =, <, > and . (none of them); of what has no order, e for equal and x for unequal.
std::vector<Row> rows() {
  // clang-format off
  return {
      {nullptr, "exxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {false, "x=<=<<><<<.<<<<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {true, "x>=>=<>=<<.<<<<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {0, "x=<=<<><<<.<<<<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {1, "x>=>=<>=<<.<<<<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {2, "x>>>>=>>><.<<<<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {-1, "x<<<<<=<<<.<<<<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {1.0, "x>=>=<>=<<.<<<<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {1.5, "x>>>><>>=<.<<<<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {kInf, "x>>>>>>>>=.>>>>>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {kNan, "x................xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {kTwoTo53 + 1, "x>>>>>>>><.=><<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {static_cast<double>(kTwoTo53), "x>>>>>>>><.<=<<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {kMax, "x>>>>>>>><.>>=<>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {kTwoTo63, "x>>>>>>>><.>>>=>>xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {kMin, "x<<<<<<<<<.<<<<==xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {-kTwoTo63, "x<<<<<<<<<.<<<<==xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
      {"", "xxxxxxxxxxxxxxxxx=<<<<<xxxxxxxxxxxxxxxxxxxxxxxx"},
      {"a", "xxxxxxxxxxxxxxxxx>=<<<<xxxxxxxxxxxxxxxxxxxxxxxx"},
      {"b", "xxxxxxxxxxxxxxxxx>>=><<xxxxxxxxxxxxxxxxxxxxxxxx"},
      {"ab", "xxxxxxxxxxxxxxxxx>><=<<xxxxxxxxxxxxxxxxxxxxxxxx"},
      {"\xc3\xa9", "xxxxxxxxxxxxxxxxx>>>>=<xxxxxxxxxxxxxxxxxxxxxxxx"},
      {"\xf0\x9f\x98\x80", "xxxxxxxxxxxxxxxxx>>>>>=xxxxxxxxxxxxxxxxxxxxxxxx"},
      {Object::bytes(""), "xxxxxxxxxxxxxxxxxxxxxxx=<xxxxxxxxxxxxxxxxxxxxxx"},
      {Object::bytes("a"), "xxxxxxxxxxxxxxxxxxxxxxx>=xxxxxxxxxxxxxxxxxxxxxx"},
      {Object::list(), "xxxxxxxxxxxxxxxxxxxxxxxxx=<<<<<<xxxxxxxxxxxxxxx"},
      {Object::list({1}), "xxxxxxxxxxxxxxxxxxxxxxxxx>=<<=x<xxxxxxxxxxxxxxx"},
      {Object::list({1, 2}), "xxxxxxxxxxxxxxxxxxxxxxxxx>>=<>x.xxxxxxxxxxxxxxx"},
      {Object::list({2}), "xxxxxxxxxxxxxxxxxxxxxxxxx>>>=>x>xxxxxxxxxxxxxxx"},
      {Object::list({1.0}), "xxxxxxxxxxxxxxxxxxxxxxxxx>=<<=x<xxxxxxxxxxxxxxx"},
      {Object::list({"a"}), "xxxxxxxxxxxxxxxxxxxxxxxxx>xxxx=xxxxxxxxxxxxxxxx"},
      {Object::list({1, kNan}), "xxxxxxxxxxxxxxxxxxxxxxxxx>>.<>x.xxxxxxxxxxxxxxx"},
      {Object::tuple(), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=<<xxxxxxxxxxxx"},
      {Object::tuple({1}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>=<xxxxxxxxxxxx"},
      {Object::tuple({1, 2}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>>=xxxxxxxxxxxx"},
      {Object::dict(), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxexxxxxxxxxxx"},
      {Object::dict({{1, 2}}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxeexxxxxxxxx"},
      {Object::dict({{1.0, 2}}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxeexxxxxxxxx"},
      {Object::dict({{1, 2}, {3, 4}}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxeexxxxxxx"},
      {Object::dict({{3, 4}, {1, 2}}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxeexxxxxxx"},
      {Object::set(), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx=<<<<<<"},
      {Object::set({1}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>=<<.=<"},
      {Object::set({1, 2}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>>==>>="},
      {Object::set({2, 1}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>>==>>="},
      {Object::set({2}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>.<<=.<"},
      {Object::frozenset({1}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>=<<.=<"},
      {Object::frozenset({2, 1}), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>>==>>="},
  };
  // clang-format on
}

char outcome(const Object& a, const Object& b) {
  const bool equal = a == b;
  EXPECT_EQ(a != b, !equal);
  try {
    const bool less = a < b;
    const bool greater = a > b;
    EXPECT_EQ(a <= b, less || equal);
    EXPECT_EQ(a >= b, greater || equal);
    if (less) return '<';
    if (greater) return '>';
    return equal ? '=' : '.';
  } catch (const mp::TypeError&) {
    EXPECT_THROW(static_cast<void>(a <= b), mp::TypeError);
    EXPECT_THROW(static_cast<void>(a > b), mp::TypeError);
    EXPECT_THROW(static_cast<void>(a >= b), mp::TypeError);
    return equal ? 'e' : 'x';
  }
}

TEST(ObjectCompareTest, ComparesAsPythonDoes) {
  const std::vector<Row> others = rows();  // made anew: none is the same object
  for (const Row& a : rows()) {
    std::string outcomes;
    for (const Row& b : others) outcomes += outcome(a.value, b.value);
    EXPECT_EQ(outcomes, a.outcomes) << a.value;
  }
}

TEST(ObjectCompareTest, WhatIsEqualHasTheSameHash) {
  for (const Row& a : rows()) {
    for (const Row& b : rows()) {
      if (a.value != b.value) continue;
      try {
        EXPECT_EQ(a.value.hash(), b.value.hash()) << a.value << ' ' << b.value;
      } catch (const mp::TypeError&) {
        EXPECT_TRUE(a.value.kind() >= Object::Kind::kList || b.value.kind() >= Object::Kind::kList);
      }
    }
  }
}

TEST(ObjectCompareTest, NumbersHaveTheHashThatPythonGivesThem) {
  const std::int64_t prime = (std::int64_t{1} << 61) - 1;
  const std::vector<std::pair<Object, std::int64_t>> hashes{
      {0, 0},
      {1, 1},
      {prime, 0},
      {prime - 1, 2305843009213693950},
      {prime + 1, 1},
      {-1, -2},  // Python has another use for -1
      {-prime - 1, -2},
      {kMax, 3},
      {kMin, -4},
      {true, 1},
      {false, 0},
      {-0.0, 0},
      {1.0, 1},
      {0.5, 1152921504606846976},
      {1.5, 1152921504606846977},
      {-1.5, -1152921504606846977},
      {1e300, 1224995262755759164},
      {5e-324, 16777216},
      {3.141592653589793, 326490430436040707},
      {kInf, 314159},
      {-kInf, -314159},
      {0.1, 230584300921369408},
      {1e16, 10000000000000000},
  };
  for (const auto& [value, hash] : hashes)
    EXPECT_EQ(static_cast<std::int64_t>(value.hash()), hash) << value;
}

TEST(ObjectCompareTest, ListsDictsAndSetsCannotBeHashed) {
  for (const Object& value :
       {Object::list(), Object::dict(), Object::set(), Object::tuple({1, Object::list()})}) {
    EXPECT_THROW(static_cast<void>(value.hash()), mp::TypeError) << value;
  }
}

TEST(ObjectCompareTest, IsAKeyOfAnUnorderedMap) {
  std::unordered_map<Object, int> map;
  map["a"] = 1;
  map[Object::tuple({1, "x"})] = 2;
  map[1] = 3;
  map[true] = 4;  // the same key as 1

  EXPECT_EQ(map.size(), 3U);
  EXPECT_EQ(map.at(1.0), 4);
  EXPECT_EQ(map.at(Object::tuple({1, "x"})), 2);
}

TEST(ObjectCompareTest, ComparesWithCppValuesOnEitherSide) {
  EXPECT_EQ(Object(1), 1);
  EXPECT_EQ("a", Object("a"));
  EXPECT_NE(Object("a"), nullptr);
  EXPECT_LT(Object(1), 2.5);
  EXPECT_EQ(Object::list({1, 2}), (std::vector<int>{1, 2}));
}

TEST(ObjectCompareTest, WhatIsSharedIsEqualToItselfAlsoWithNanInside) {
  const Object list = Object::list({kNan});
  const Object copy = list;

  EXPECT_EQ(list, copy);
  EXPECT_NE(list, Object::list({kNan}));
}

TEST(ObjectCompareTest, AnErrorNamesBothTypes) {
  try {
    static_cast<void>(Object(1) < Object("a"));
    FAIL();
  } catch (const mp::TypeError& error) {
    EXPECT_STREQ(error.what(), "'<' not supported between instances of 'int' and 'str'");
  }
}

Object nested(int levels, Object (*wrap)(Object)) {
  Object o = 0;
  for (int i = 0; i < levels; ++i) o = wrap(std::move(o));
  return o;
}
Object in_list(Object o) { return Object::list({std::move(o)}); }
Object in_tuple(Object o) { return Object::tuple({std::move(o)}); }
Object in_dict(Object o) { return Object::dict({{1, std::move(o)}}); }

TEST(ObjectCompareTest, ReachesDownAThousandLevelsAndThenRefuses) {
  for (const auto wrap : {&in_list, &in_tuple, &in_dict}) {
    EXPECT_EQ(nested(1000, wrap), nested(1000, wrap));
    EXPECT_THROW(static_cast<void>(nested(1001, wrap) == nested(1001, wrap)), mp::RuntimeError);
  }
  EXPECT_EQ(nested(1000, &in_tuple).hash(), nested(1000, &in_tuple).hash());
  EXPECT_THROW(static_cast<void>(nested(1001, &in_tuple).hash()), mp::RuntimeError);
  EXPECT_THROW(static_cast<void>(nested(1001, &in_list) < nested(1001, &in_list)),
               mp::RuntimeError);
}

TEST(ObjectCompareTest, AnyDepthCanBeMadeCopiedAndDestroyed) {
  for (const auto wrap : {&in_list, &in_tuple, &in_dict}) {
    const Object deep = nested(200'000, wrap);
    Object copy = deep;
    if (copy.kind() == Object::Kind::kList) copy.append(1);
    EXPECT_GE(copy.size(), 1U);
  }
}

}  // namespace
