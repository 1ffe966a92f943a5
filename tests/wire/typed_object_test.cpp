// SPDX-License-Identifier: BSL-1.0
// A typed message received as an Object, and an Object received as what it holds.
#include <gtest/gtest.h>

#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>

namespace multiprocessing::detail {
namespace {

enum class Colour : std::int16_t { red = -3 };
enum class Flag : bool { on = true };

struct Point {
  int x;
};

template <class Wanted, class T> Wanted received(const T& value) {
  Encoder encoder;
  encode(encoder, value);
  Decoder decoder(encoder.bytes());
  auto copy = decode_as<Wanted>(fingerprint<T>(), decoder);
  EXPECT_EQ(decoder.remaining(), 0U) << type_name<T>();
  return copy;
}

// Sent typed and received as an Object, it is what the Object of the same value is; and that can
// be received as the type.
template <class T> void expect_counterpart(const T& value, const std::string& repr) {
  static_assert(kHasObjectForm<T>);
  EXPECT_EQ(received<Object>(value).repr(), repr) << type_name<T>();
  EXPECT_EQ(received<Object>(value), Object(value)) << type_name<T>();
  EXPECT_TRUE(received<T>(Object(value)) == value) << type_name<T>();
}

TEST(TypedObject, NumbersAndTextsHaveCounterparts) {
  expect_counterpart(true, "True");
  expect_counterpart(std::int8_t{-1}, "-1");
  expect_counterpart(std::uint8_t{255}, "255");
  expect_counterpart(short{-300}, "-300");
  expect_counterpart(std::uint16_t{60000}, "60000");
  expect_counterpart(-5, "-5");
  expect_counterpart(4000000000U, "4000000000");
  expect_counterpart(std::numeric_limits<long>::min(), "-9223372036854775808");
  expect_counterpart(7ULL, "7");
  expect_counterpart(0.5F, "0.5");
  expect_counterpart(0.1, "0.1");
  expect_counterpart(0.25L, "0.25");
  expect_counterpart(std::string("text"), "'text'");
  expect_counterpart(std::vector<std::byte>{std::byte{'a'}, std::byte{0}}, "b'a\\x00'");
  expect_counterpart(nullptr, "None");
  expect_counterpart(std::monostate{}, "None");
  expect_counterpart(Colour::red, "-3");
}

TEST(TypedObject, ContainersHaveCounterparts) {
  expect_counterpart(std::vector<int>{}, "[]");
  expect_counterpart(std::vector<int>{1, 2}, "[1, 2]");
  expect_counterpart(std::vector<bool>{true, false, true}, "[True, False, True]");
  expect_counterpart(std::vector<std::string>{"a", "b"}, "['a', 'b']");
  expect_counterpart(std::vector<std::vector<double>>{{1.5}, {}}, "[[1.5], []]");
  expect_counterpart(std::vector<Colour>{Colour::red}, "[-3]");
  expect_counterpart(std::vector<Flag>{Flag::on}, "[1]");
  expect_counterpart(std::vector<std::array<int, 2>>{{1, 2}, {3, 4}}, "[[1, 2], [3, 4]]");
  expect_counterpart(std::deque<long>{1}, "[1]");
  expect_counterpart(std::list<std::string>{"a"}, "['a']");
  expect_counterpart(std::array<double, 2>{1, 2}, "[1.0, 2.0]");
  expect_counterpart(std::array<int, 0>{}, "[]");
  expect_counterpart(std::set<int>{2, 1}, "{1, 2}");
  expect_counterpart(std::unordered_set<std::string>{"a"}, "{'a'}");
  expect_counterpart(std::map<std::string, int>{{"a", 1}, {"b", 2}}, "{'a': 1, 'b': 2}");
  expect_counterpart(std::unordered_map<int, std::vector<int>>{{1, {2}}}, "{1: [2]}");
  expect_counterpart(std::map<std::vector<int>, int>{{{1, 2}, 3}}, "{(1, 2): 3}");
}

TEST(TypedObject, ComposedValuesHaveCounterparts) {
  expect_counterpart(std::pair<int, std::string>{1, "x"}, "(1, 'x')");
  expect_counterpart(std::tuple<int, std::tuple<bool, double>>{1, {true, 2}}, "(1, (True, 2.0))");
  expect_counterpart(std::tuple<>{}, "()");
  expect_counterpart(std::tuple<int>{1}, "(1,)");
  expect_counterpart(std::optional<int>{5}, "5");
  expect_counterpart(std::optional<std::vector<int>>{}, "None");
  expect_counterpart(std::vector<std::optional<std::string>>{"a", {}}, "['a', None]");
  expect_counterpart(std::variant<int, std::string, double>{"x"}, "'x'");
  expect_counterpart(
      std::vector<std::variant<std::monostate, std::pair<int, int>, bool>>{std::pair{1, 2},
                                                                           std::monostate{}, true},
      "[(1, 2), None, True]");
}

TEST(TypedObject, ObjectsInATypedContainerStayWhatTheyAre) {
  const std::vector<Object> values{1, "two", nullptr, Object::list({3.5})};

  EXPECT_EQ(received<Object>(values).repr(), "[1, 'two', None, [3.5]]");
  EXPECT_EQ(received<std::vector<Object>>(Object(values)), values);
}

TEST(TypedObject, AnObjectIsReceivedAsTheTypeThatItHolds) {
  EXPECT_EQ(received<double>(Object(1)), 1.0);
  EXPECT_EQ((received<std::map<std::string, double>>(Object::dict({{"a", 1}}))),
            (std::map<std::string, double>{{"a", 1}}));
  EXPECT_THROW(received<std::string>(Object(1)), TypeError);
  EXPECT_THROW(received<Point>(Object(1)), TypeError);
}

TEST(TypedObject, AClassHasNoCounterpart) {
  static_assert(!kHasObjectForm<Point> && !kHasObjectForm<std::vector<Point>>);
  try {
    static_cast<void>(received<Object>(std::vector<Point>{{1}}));
    FAIL() << "received";
  } catch (const TypeError& error) {
    EXPECT_NE(std::string(error.what()).find("Point"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("multiprocessing::Object"), std::string::npos);
  }
}

TEST(TypedObject, AMessageThatIsCutShortIsAnError) {
  Encoder encoder;
  using Sent = std::vector<std::tuple<int, std::optional<std::string>, std::map<int, double>>>;
  encode(encoder, Sent{{1, "x", {{1, 2}}}, {2, {}, {{3, 4}, {5, 6}}}});
  for (std::size_t n = 0; n < encoder.size(); ++n) {
    Decoder decoder(encoder.bytes().first(n));

    EXPECT_THROW(static_cast<void>(decode_as<Object>(fingerprint<Sent>(), decoder)), ValueError);
  }
}

TEST(TypedObject, ANumberThatAnObjectCannotHoldIsAnError) {
  EXPECT_THROW(received<Object>(~0ULL), ValueError);
}

}  // namespace
}  // namespace multiprocessing::detail
