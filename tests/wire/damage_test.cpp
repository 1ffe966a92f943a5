// SPDX-License-Identifier: BSL-1.0
// A damaged message is an error or another value, never worse: under a sanitizer nothing is read
// behind the end and no memory is asked for that the message could not fill.
#include <gtest/gtest.h>

#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/synchronize.hpp>
#include <random>

namespace multiprocessing::detail {
namespace {

struct Leaf {
  char tag[3];
  std::unique_ptr<Leaf> next;
  std::map<std::string, std::vector<Leaf>> children;
};

struct Sample {
  int number = 1;
  bool flag = true;
  std::string text = "text";
  std::vector<double> numbers{1, 2, 3};
  std::vector<bool> bits = std::vector<bool>(11, true);
  std::optional<std::deque<std::string>> texts{{"a", "bb"}};
  std::variant<int, std::u16string, std::set<int>> either = std::set<int>{1, 2, 3};
  std::unordered_map<std::string, std::tuple<int, float>> table{{"key", {1, 2}}};
};

Leaf leaf() {
  Leaf root{"ab", nullptr, {}};
  root.next = std::make_unique<Leaf>(Leaf{"cd", nullptr, {}});
  root.children["many"].push_back({"ef", nullptr, {}});
  return root;
}

template <class Wanted, class T>
void expect_nothing_worse_than_an_error(const T& value, std::uint32_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  Encoder encoder;
  encode(encoder, value);
  for (int round = 0; round < 2000; ++round) {
    // In a block of its own size, so that a sanitizer sees its end.
    std::vector<std::byte> bytes(encoder.bytes().begin(), encoder.bytes().end());
    for (auto hits = 1 + random() % 3; hits > 0; --hits) {
      bytes[random() % bytes.size()] = static_cast<std::byte>(random() % 2 ? random() : 0xff);
    }
    Decoder decoder(bytes, encoder.handles());
    try {
      static_cast<void>(decode_as<Wanted>(fingerprint<T>(), decoder));
    } catch (const Error&) {
    }
  }
}

TEST(DamagedMessage, IsAnErrorOrAnotherValue) {
  const std::uint32_t seed = std::random_device{}();

  expect_nothing_worse_than_an_error<Sample>(Sample{}, seed);
  expect_nothing_worse_than_an_error<Leaf>(leaf(), seed);
  expect_nothing_worse_than_an_error<Object>(Object::dict({{"a", Object::list({1, "x"})}}), seed);
  expect_nothing_worse_than_an_error<Object>(Object::list({Lock(), Object::dict({{Lock(), 1}})}),
                                             seed);
  expect_nothing_worse_than_an_error<Object>(std::map<std::string, Lock>{{"a", Lock()}}, seed);
}

TEST(DamagedMessage, ReadAsAnObjectIsAnErrorOrAnotherValue) {
  using Sent = std::map<std::string, std::vector<std::variant<int, std::pair<bool, std::string>>>>;
  const std::uint32_t seed = std::random_device{}();

  expect_nothing_worse_than_an_error<Object>(
      Sent{{"key", {1, std::pair<bool, std::string>{true, "x"}}}, {"other", {}}}, seed);
}

TEST(RecursiveType, HoldsItselfInPointersAndContainers) {
  Encoder encoder;
  encode(encoder, leaf());
  Decoder decoder(encoder.bytes());

  const Leaf copy = decode<Leaf>(decoder);

  EXPECT_STREQ(copy.next->tag, "cd");
  EXPECT_STREQ(copy.children.at("many")[0].tag, "ef");
}

}  // namespace
}  // namespace multiprocessing::detail
