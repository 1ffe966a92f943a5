// SPDX-License-Identifier: BSL-1.0
// The pickle codec by itself: what stands in the bytes.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pickle_program.hpp"

namespace mp = multiprocessing;
using mp::Object;
using mp::detail::decode_pickle_as;
using mp::test::pickled;
using mp::test::program;
using mp::test::unpickled;
using namespace std::string_literals;

namespace {

TEST(PickleTest, WritesTheOperationsThatCPythonWrites) {
  EXPECT_EQ(pickled(nullptr), program("N"));
  EXPECT_EQ(pickled(true), program("\x88"));
  EXPECT_EQ(pickled(255), program("K\xff"));
  EXPECT_EQ(pickled(256), program("M\x00\x01"s));
  EXPECT_EQ(pickled(-1), program("J\xff\xff\xff\xff"));
  EXPECT_EQ(pickled(std::int64_t{1} << 31), program("\x8a\x05\x00\x00\x00\x80\x00"s));
  EXPECT_EQ(pickled(INT64_MAX), program("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"));
  EXPECT_EQ(pickled(INT64_MIN), program("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80"s));
  EXPECT_EQ(pickled(1.5), program("G\x3f\xf8\x00\x00\x00\x00\x00\x00"s));
  EXPECT_EQ(pickled("abc"), program("\x8c\x03"
                                    "abc"));
  EXPECT_EQ(pickled(Object::list({1})), program("]K\x01"
                                                "a"));
  EXPECT_EQ(pickled(Object::tuple({1, 2})), program("K\x01K\x02\x86"));
  EXPECT_EQ(pickled(Object::set({1})), program("\x8f(K\x01\x90"));
}

TEST(PickleTest, RefersToAKeyThatComesAgain) {
  const Object dict = Object::dict({{"name", 1}});
  EXPECT_EQ(pickled(Object::list({dict, dict})),
            program("](}(\x8c\x04name\x94K\x01u}(h\x00K\x01ue"s));
}

TEST(PickleTest, GivesBackWhatWasWritten) {
  const Object everything = Object::list({nullptr,
                                          true,
                                          false,
                                          0,
                                          -1,
                                          255,
                                          256,
                                          65535,
                                          65536,
                                          INT64_MAX,
                                          INT64_MIN,
                                          0.5,
                                          "",
                                          "text",
                                          std::string(255, 'x'),
                                          std::string(256, 'x'),
                                          std::string(70000, 'x'),
                                          Object::bytes(""),
                                          Object::bytes(std::string(256, '\0')),
                                          Object::tuple(),
                                          Object::tuple({1}),
                                          Object::tuple({1, 2, 3}),
                                          Object::tuple({1, 2, 3, 4}),
                                          Object::list(),
                                          Object::list({1, 2}),
                                          Object::dict(),
                                          Object::dict({{"a", 1}, {2, Object::dict({{"a", "b"}})}}),
                                          Object::set(),
                                          Object::set({1, "two"}),
                                          Object::frozenset(),
                                          Object::frozenset({3.5})});

  EXPECT_EQ(unpickled(pickled(everything)).repr(), everything.repr());
}

TEST(PickleTest, KeepsMoreKeysApartThanAreMemorised) {
  Object dicts = Object::list();
  for (int i = 0; i < 3000; ++i)
    dicts.append(Object::dict({{"key" + std::to_string(i % 700), i}, {"", i}, {"\0"s, i}}));

  EXPECT_EQ(unpickled(pickled(dicts)).repr(), dicts.repr());
}

TEST(PickleTest, ReadsBytesAndSetsOfProtocolTwo) {
  EXPECT_EQ(unpickled("\x80\x02"
                      "c_codecs\nencode\nq\x00X\x04\x00\x00\x00"
                      "ab\xc3\xbfq\x01X\x06\x00\x00\x00latin1q\x02\x86q\x03Rq\x04."s),
            Object::bytes("ab\xff"));
  EXPECT_EQ(unpickled("\x80\x02"
                      "c__builtin__\nset\nq\x00]q\x01K\x01"
                      "a\x85q\x02Rq\x03."s),
            Object::set({1}));
}

TEST(PickleTest, SharedValuesBecomeEqualValues) {
  // [[1], the same list]
  const Object list =
      unpickled(program("]\x94(]\x94K\x01"
                        "ah\x01"
                        "e"s));
  EXPECT_EQ(list, Object::list({Object::list({1}), Object::list({1})}));
}

TEST(PickleTest, AValueThatWasReplacedOrWasThereAlreadyIsReferredToAllTheSame) {
  // In a list: a dict whose value for 1, a memorised list, is replaced; that list.
  EXPECT_EQ(unpickled(program("](}K\1]\x94K\2asK\1Nsh\0e"s)).repr(), "[{1: None}, [2]]");
  // A dict with a text that is memorised twice as its key, a set of them, and the text.
  const std::string text = "\x8c\x14" + std::string(20, 'x');
  const std::string twice = text + "\x94" + text + "\x94";
  const std::string quoted = "'" + std::string(20, 'x') + "'";
  EXPECT_EQ(unpickled(program("](}(" + text + "\x94N" + text + "\x94Nuh\1e")).repr(),
            "[{" + quoted + ": None}, " + quoted + "]");
  EXPECT_EQ(unpickled(program("](\x8f(" + twice + "\x90h\1e")).repr(),
            "[{" + quoted + "}, " + quoted + "]");
  EXPECT_EQ(unpickled(program("]((" + twice + "\x91h\1e")).repr(),
            "[frozenset({" + quoted + "}), " + quoted + "]");
}

TEST(PickleTest, ConvertsToAndFromTheTypeAskedFor) {
  const std::map<std::string, std::vector<int>> value{{"a", {1, 2}}, {"b", {}}};
  const std::string bytes = pickled(value);
  EXPECT_EQ(
      (decode_pickle_as<std::map<std::string, std::vector<int>>>(std::as_bytes(std::span(bytes)))),
      value);
  EXPECT_THROW(static_cast<void>(decode_pickle_as<int>(std::as_bytes(std::span(bytes)))),
               mp::TypeError);
}

}  // namespace
