// SPDX-License-Identifier: BSL-1.0
// The tables are what CPython 3.13 prints.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <map>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mp = multiprocessing;
using mp::Object;
using namespace std::string_view_literals;

namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Table = std::vector<std::pair<std::string_view, std::string_view>>;

TEST(ObjectReprTest, FloatsHaveTheFewestDigitsThatGiveThemBack) {
  const std::vector<std::pair<double, std::string>> table{
      {1.0, "1.0"},
      {-1.0, "-1.0"},
      {0.0, "0.0"},
      {-0.0, "-0.0"},
      {0.1, "0.1"},
      {0.3333333333333333, "0.3333333333333333"},
      {1000000000000000.0, "1000000000000000.0"},
      {9999999999999998.0, "9999999999999998.0"},
      {1e16, "1e+16"},
      {1.2345678901234568e16, "1.2345678901234568e+16"},
      {1.2345678901234567e19, "1.2345678901234567e+19"},
      {9007199254740992.0, "9007199254740992.0"},
      {123456789.125, "123456789.125"},
      {1e22, "1e+22"},
      {0.0001, "0.0001"},
      {0.00012345, "0.00012345"},
      {1e-05, "1e-05"},
      {1.23e-05, "1.23e-05"},
      {1.5e-07, "1.5e-07"},
      {-2.5e-10, "-2.5e-10"},
      {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {2.2250738585072014e-308, "2.2250738585072014e-308"},
      {100.0, "100.0"},
      {4.35, "4.35"},
      {0.30000000000000004, "0.30000000000000004"},
      {1e100, "1e+100"},
      {kInf, "inf"},
      {-kInf, "-inf"},
      {kNan, "nan"},
      {-kNan, "nan"},
  };
  for (const auto& [value, text] : table) EXPECT_EQ(Object(value).repr(), text);
}

TEST(ObjectReprTest, StrsAreQuotedAndEscaped) {
  const Table table{
      {"", "''"},
      {"abc", "'abc'"},
      {"it's", "\"it's\""},
      {"say \"hi\"", "'say \"hi\"'"},
      {"both ' and \"", "'both \\' and \"'"},
      {"back\\slash", "'back\\\\slash'"},
      {"tab\x09new\x0aret\x0d", "'tab\\tnew\\nret\\r'"},
      {"\x00\x01\x1f\x7f"sv, "'\\x00\\x01\\x1f\\x7f'"},
      {"\xc3\xa9", "'\xc3\xa9'"},
      {"\xc3\xbf\xc2\x80\xc2\xa0\xc2\xad", "'\xc3\xbf\\x80\\xa0\\xad'"},
      {"\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", "'\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e'"},
      {"\xe2\x80\x8b\xe2\x80\xa8\xef\xbb\xbf", "'\\u200b\\u2028\\ufeff'"},
      {"\xf0\x9f\x98\x80", "'\xf0\x9f\x98\x80'"},
      {"\xf0\x9f\xa7\xbf\xf3\xa0\x80\x81", "'\xf0\x9f\xa7\xbf\\U000e0001'"},
      {"\xcd\xb8", "'\\u0378'"},
      {"e\xcc\x81", "'e\xcc\x81'"},
      {"\xed\xa0\x80", "'\\ud800'"},
      {"\xed\x9f\xbf\xee\x80\x80", "'\\ud7ff\\ue000'"},
      {"\xf4\x8f\xbf\xbf", "'\\U0010ffff'"},
      {"a\xc2\x85"
       "b",
       "'a\\x85b'"},
  };
  for (const auto& [value, text] : table) EXPECT_EQ(Object(value).repr(), text);
}

TEST(ObjectReprTest, BytesThatAreNoUtf8ArePrintedAsSurrogateescapeReadsThem) {
  const Table table{
      {"\xff", "'\\udcff'"},
      {"\xc3", "'\\udcc3'"},
      {"\xc3(", "'\\udcc3('"},
      {"\xe2\x82", "'\\udce2\\udc82'"},
      {"\xf0\x9f\x98", "'\\udcf0\\udc9f\\udc98'"},
      {"\xc0\x80", "'\\udcc0\\udc80'"},
      {"\xf5\x80\x80\x80", "'\\udcf5\\udc80\\udc80\\udc80'"},
      {"\xe0\x80\x80", "'\\udce0\\udc80\\udc80'"},
      {"\xf4\x90\x80\x80", "'\\udcf4\\udc90\\udc80\\udc80'"},
      {"ok\x80", "'ok\\udc80'"},
  };
  for (const auto& [value, text] : table) EXPECT_EQ(Object(value).repr(), text);
}

TEST(ObjectReprTest, BytesAreQuotedAndEscaped) {
  const Table table{
      {"", "b''"},
      {"abc", "b'abc'"},
      {"it's", "b\"it's\""},
      {"say \"hi\"", "b'say \"hi\"'"},
      {"' and \"", "b'\\' and \"'"},
      {"\\", "b'\\\\'"},
      {"\x09\x0a\x0d\x00\x7f\x80\xff"sv, "b'\\t\\n\\r\\x00\\x7f\\x80\\xff'"},
      {"\x1b[", "b'\\x1b['"},
  };
  for (const auto& [value, text] : table) EXPECT_EQ(Object::bytes(value).repr(), text);
}

TEST(ObjectReprTest, TheRestIsPrintedAsInPython) {
  const std::vector<std::pair<Object, std::string>> table{
      {nullptr, "None"},
      {true, "True"},
      {false, "False"},
      {0, "0"},
      {std::numeric_limits<std::int64_t>::min(), "-9223372036854775808"},
      {Object::list(), "[]"},
      {Object::list({1, "two", nullptr}), "[1, 'two', None]"},
      {Object::tuple(), "()"},
      {Object::tuple({1}), "(1,)"},
      {Object::tuple({1, 2}), "(1, 2)"},
      {Object::dict(), "{}"},
      {Object::dict({{"b", 1}, {2, Object::list({1.0})}}), "{'b': 1, 2: [1.0]}"},
      {Object::set(), "set()"},
      {Object::set({3, 1, 2}), "{3, 1, 2}"},
      {Object::frozenset(), "frozenset()"},
      {Object::frozenset({1}), "frozenset({1})"},
      {std::map<std::string, std::set<int>>{{"a", {1, 2}}}, "{'a': {1, 2}}"},
      {Object::tuple({Object::tuple({Object::bytes("x")})}), "((b'x',),)"},
  };
  for (const auto& [value, text] : table) {
    EXPECT_EQ(value.repr(), text);
    EXPECT_EQ(value.str(), text);
  }
}

TEST(ObjectReprTest, StrOfAStrIsItself) {
  EXPECT_EQ(Object("it's").str(), "it's");
  EXPECT_EQ(Object(std::string(100, 'x')).str(), std::string(100, 'x'));
  EXPECT_EQ(Object::bytes("x").str(), "b'x'");
}

TEST(ObjectReprTest, FmtAndStreamsPrintTheRepr) {
  const Object o = Object::list({1, "two"});
  std::ostringstream stream;
  stream << o;

  EXPECT_EQ(fmt::format("{}", o), "[1, 'two']");
  EXPECT_EQ(fmt::format("{:>12}|{:<6}|{:*^7}", o, Object("a"), Object(1.5)),
            "  [1, 'two']|'a'   |**1.5**");
  EXPECT_EQ(stream.str(), "[1, 'two']");
}

TEST(ObjectReprTest, AnItemPrintsAsItsElement) {
  Object o = Object::dict({{"k", "v"}});
  std::ostringstream stream;
  stream << o["k"];

  EXPECT_EQ(stream.str(), "'v'");
  EXPECT_EQ(fmt::format("{}", o["k"]), "'v'");
}

TEST(ObjectReprTest, PrintsAThousandLevelsAndThenRefuses) {
  Object o = 0;
  for (int i = 0; i < 1000; ++i) o = Object::list({o});

  EXPECT_EQ(o.repr().size(), 2001U);
  EXPECT_THROW(static_cast<void>(Object::list({o}).repr()), mp::RuntimeError);
}

}  // namespace
