// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <cstddef>
#include <limits>
#include <multiprocessing/detail/object_codec.hpp>
#include <multiprocessing/errors.hpp>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace mp = multiprocessing;
using mp::Object;
using mp::detail::decode_object;
using mp::detail::encode_object;

namespace {

using Bytes = std::vector<std::byte>;

Bytes encoded(const Object& o) {
  Bytes bytes;
  encode_object(bytes, o);
  return bytes;
}

Object decoded(std::span<const std::byte> bytes) {
  Object o = decode_object(bytes);
  EXPECT_TRUE(bytes.empty());
  return o;
}

Bytes raw(std::initializer_list<int> values) {
  Bytes bytes;
  for (const int value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

// As repr and not by ==, which makes no difference between 1, 1.0 and True, and none for nan.
void expect_round_trip(const Object& o) {
  const Bytes bytes = encoded(o);
  EXPECT_EQ(decoded(bytes).repr(), o.repr());

  mp::detail::Encoder encoder;
  encode_object(encoder, o);
  EXPECT_EQ(Bytes(encoder.bytes().begin(), encoder.bytes().end()), bytes);
  mp::detail::Decoder decoder(encoder.bytes());
  EXPECT_EQ(decode_object(decoder).repr(), o.repr());
  EXPECT_EQ(decoder.remaining(), 0U);
}

TEST(ObjectCodecTest, GivesBackWhatWasEncoded) {
  constexpr auto kMax = std::numeric_limits<std::int64_t>::max();
  for (const Object& o : {Object(),
                          Object(true),
                          Object(false),
                          Object(0),
                          Object(-16),
                          Object(-17),
                          Object(111),
                          Object(112),
                          Object(-1'000'000),
                          Object(kMax),
                          Object(-kMax - 1),
                          Object(0.1),
                          Object(-0.0),
                          Object(std::numeric_limits<double>::quiet_NaN()),
                          Object(""),
                          Object("short"),
                          Object(std::string(63, 'x')),
                          Object(std::string(64, 'x')),
                          Object(std::string(70'000, 'y')),
                          Object(std::string("\0\xff", 2)),
                          Object::bytes(""),
                          Object::bytes("abc"),
                          Object::bytes(std::string(300, 'z')),
                          Object::list(),
                          Object::list({1, "two", nullptr}),
                          Object::tuple(),
                          Object::tuple({1, Object::tuple({2})}),
                          Object::dict(),
                          Object::dict({{"a", 1}, {Object::tuple({1}), Object::list()}}),
                          Object::set(),
                          Object::set({1, "x"}),
                          Object::frozenset({1.5})}) {
    expect_round_trip(o);
  }
}

TEST(ObjectCodecTest, IsCompact) {
  EXPECT_EQ(encoded(nullptr).size(), 1U);
  EXPECT_EQ(encoded(100).size(), 1U);
  EXPECT_EQ(encoded(1000).size(), 3U);
  EXPECT_EQ(encoded("hello").size(), 6U);
  EXPECT_EQ(encoded(Object::list({1, 2, 3})).size(), 5U);
  EXPECT_EQ(encoded(1.5).size(), 9U);
}

TEST(ObjectCodecTest, TakesOneObjectAfterTheOther) {
  Bytes bytes;
  encode_object(bytes, "first");
  encode_object(bytes, Object::list({2}));
  std::span<const std::byte> rest(bytes);

  EXPECT_EQ(decode_object(rest), "first");
  EXPECT_EQ(decode_object(rest), Object::list({2}));
  EXPECT_TRUE(rest.empty());
  EXPECT_THROW(static_cast<void>(decode_object(rest)), mp::ValueError);
}

class RandomObjects {
 public:
  explicit RandomObjects(unsigned seed) : random_(seed) {}

  Object make(int depth) {
    const bool leaf = depth == 0;
    switch (below(leaf ? 7 : 11)) {
      case 0:
        return nullptr;
      case 1:
        return below(2) == 0;
      case 2:
        return static_cast<std::int64_t>(random_());
      case 3:
        return static_cast<std::int64_t>(below(400)) - 200;
      case 4:
        return std::bit_cast<double>(random_());
      case 5:
        return text();
      case 6:
        return Object::bytes(text());
      case 7:
        return make_container(Object::list(), depth);
      case 8:
        return Object::tuple(make_container(Object::list(), depth));
      case 9:
        return make_dict(depth);
      default:
        return make_set();
    }
  }
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

 private:
  std::string text() {
    std::string text(below(below(10) == 0 ? 500 : 20), '\0');
    for (char& c : text) c = static_cast<char>(random_());
    return text;
  }
  Object make_container(Object list, int depth) {
    for (unsigned n = below(6); n > 0; --n) list.append(make(depth - 1));
    return list;
  }
  Object make_dict(int depth) {
    Object dict = Object::dict();
    for (unsigned n = below(20); n > 0; --n) dict[make(0)] = make(depth - 1);
    return dict;
  }
  Object make_set() {
    Object set = Object::set();
    for (unsigned n = below(20); n > 0; --n) set.add(Object::tuple({make(0)}));
    return below(2) == 0 ? set : Object::frozenset(set);
  }

  std::mt19937_64 random_;
};

TEST(ObjectCodecTest, GivesBackRandomObjects) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  RandomObjects objects(seed);
  for (int i = 0; i < 500; ++i) expect_round_trip(objects.make(4));
}

TEST(ObjectCodecTest, InputThatIsCutShortAnywhereIsAValueError) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  RandomObjects objects(seed);
  for (int i = 0; i < 100; ++i) {
    const Bytes bytes = encoded(objects.make(2));
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      std::span<const std::byte> cut(bytes.data(), length);
      EXPECT_THROW(static_cast<void>(decode_object(cut)), mp::ValueError);
    }
  }
}

TEST(ObjectCodecTest, GarbageIsAValueErrorOrAnObjectAndNeverACrash) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE(seed);
  RandomObjects objects(seed);
  for (int i = 0; i < 10'000; ++i) {
    Bytes bytes = i % 2 == 0 ? encoded(objects.make(2)) : Bytes(objects.below(60));
    if (bytes.empty()) continue;
    const unsigned changes =
        i % 2 == 0 ? 1 + objects.below(3) : static_cast<unsigned>(bytes.size());
    for (unsigned n = 0; n < changes; ++n)
      bytes[objects.below(static_cast<unsigned>(bytes.size()))] =
          static_cast<std::byte>(objects.below(256));
    std::span<const std::byte> in(bytes);
    try {
      const Object o = decode_object(in);
      EXPECT_FALSE(o.repr().empty());
    } catch (const mp::ValueError&) {
    }
  }
}

TEST(ObjectCodecTest, LengthsThatCannotBeAreRefusedBeforeMemoryIsUsedForThem) {
  for (const int tag : {5, 6, 7, 8, 9, 10, 11}) {
    Bytes bytes = raw({tag, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 0});
    std::span<const std::byte> in(bytes);
    EXPECT_THROW(static_cast<void>(decode_object(in)), mp::ValueError);
  }
}

TEST(ObjectCodecTest, NestedCountsCannotPromiseTheSameBytesTwice) {
  // Each list says that all that is left are its elements, of which the first is such a list.
  Bytes bytes(40'000);
  for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    const std::size_t left = bytes.size() - i - 4;
    const auto digit = [left](int shift) { return static_cast<int>(left >> shift & 0x7f); };
    const Bytes list = raw({7, digit(0) | 0x80, digit(7) | 0x80, digit(14)});
    std::copy(list.begin(), list.end(), bytes.begin() + static_cast<std::ptrdiff_t>(i));
  }
  std::span<const std::byte> in(bytes);
  EXPECT_THROW(static_cast<void>(decode_object(in)), mp::ValueError);
}

TEST(ObjectCodecTest, WhatNoEncoderWritesIsRefused) {
  for (const Bytes& bytes : {
           raw({12}),                          // a handle without anything
           raw({12, 1, 2, 3, 4, 0, 0, 0, 0}),  // a handle that names nothing
           raw({12, 1, 2, 3, 4, 1, 0, 0, 0}),  // one that did not come
           raw({13, 0}),                       // a proxy without anything
           raw({14}),                          // no such tag
           raw({0x3f}),                        // no such tag
           raw({9, 1, 7, 0, 0}),               // a list as a key
           raw({10, 1, 10, 0}),                // a set in a set
           raw({10, 1, 8, 1, 7, 0}),           // a tuple with a list in a set
           raw({3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2}),  // 65 bits
           raw({3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0}),
       }) {
    std::span<const std::byte> in(bytes);
    EXPECT_THROW(static_cast<void>(decode_object(in)), mp::ValueError);
  }
}

TEST(ObjectCodecTest, SendsAThousandLevelsAndThenRefuses) {
  Object o = 0;
  for (int i = 0; i < 1000; ++i) o = Object::list({o});
  expect_round_trip(o);

  Bytes bytes;
  EXPECT_THROW(encode_object(bytes, Object::list({o})), mp::RuntimeError);
  bytes = encoded(o);
  bytes.insert(bytes.begin(), {std::byte{7}, std::byte{1}});
  std::span<const std::byte> in(bytes);
  EXPECT_THROW(static_cast<void>(decode_object(in)), mp::ValueError);
}

}  // namespace
