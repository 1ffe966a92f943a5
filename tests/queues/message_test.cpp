// SPDX-License-Identifier: BSL-1.0
// What may be put into a queue, and how it comes out.
#include <boost/serialization/string.hpp>

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <multiprocessing/memory.hpp>
#include <multiprocessing/synchronize.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "fresh_program.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "queue_test.hpp"
#include "shared_word.hpp"

namespace {

FRESH_SCENARIO(full_segment) {
  const mp::Queue<std::string> q;
  const auto text = [](int i) { return std::string(static_cast<std::size_t>(i % 40'000), 'x'); };
  int put = 0;
  try {
    for (;; ++put) q.put(text(put));
  } catch (const mp::MemoryError& error) {
    if (std::string(error.what()).find("set_segment_limit") == std::string::npos) return 1;
  }
  if (put < 100 || q.qsize() != static_cast<std::size_t>(put)) return 2;
  for (int i = 0; i < put; ++i) {
    if (q.get_nowait() != text(i)) return 3;
  }
  for (int i = 0; i < put / 2; ++i) q.put(text(i));
  return q.qsize() == static_cast<std::size_t>(put / 2) ? 0 : 4;
}

// A consumer that has no handle of the event that it gets, and no room for a reference.
FRESH_SCENARIO(no_room_for_a_handle) {
  mp::set_segment_limit(16 << 20);
  const mp::Queue<mp::Event> q;
  multiprocessing::test::SharedWord full;
  multiprocessing::test::Child consumer([&] {
    full.await(1);
    try {
      static_cast<void>(q.get());
    } catch (const mp::MemoryError&) {
      return q.qsize() == 4 ? 0 : 1;
    }
    return 2;
  });
  const mp::Event event;
  for (int i = 0; i < 4; ++i) q.put(event);
  for (std::size_t bytes = 1 << 20; bytes >= 64; bytes /= 2) {
    try {
      for (;;) static_cast<void>(multiprocessing::memory::allocate(bytes));
    } catch (const mp::MemoryError&) {
    }
  }
  full = 1;
  return consumer.wait();
}

}  // namespace

namespace multiprocessing::test {
namespace {

struct Task {
  int id;
  std::string name;
  std::vector<double> weights;
  bool operator==(const Task&) const = default;
};

class Named {
 public:
  Named() = default;
  explicit Named(std::string name) : name_(std::move(name)) {}
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  friend class boost::serialization::access;
  template <class Archive> void serialize(Archive& archive, unsigned) {
    if (name_ == "unspeakable") throw std::runtime_error("the name is unspeakable");
    archive& name_;
  }
  std::string name_;
};

template <std::size_t N> struct Block {
  std::uint32_t first;
  std::array<std::uint32_t, N> rest;
  bool operator==(const Block&) const = default;
};
template <class T> T through_a_queue(const T& value) {
  const mp::Queue<T> q;
  q.put(value);
  T got = q.get();
  EXPECT_TRUE(q.empty());
  return got;
}

TEST_F(QueueTest, EveryKindOfMessageComesOutAsItWentIn) {
  EXPECT_EQ(through_a_queue(7), 7);
  EXPECT_EQ(through_a_queue(2.5), 2.5);
  EXPECT_EQ(through_a_queue(std::string("text")), "text");
  EXPECT_EQ(through_a_queue(std::map<std::string, int>{{"data", 42}}),
            (std::map<std::string, int>{{"data", 42}}));
  EXPECT_EQ(through_a_queue(std::optional<int>()), std::nullopt);
  EXPECT_EQ(through_a_queue(std::variant<int, std::string>("b")),
            (std::variant<int, std::string>("b")));
  EXPECT_EQ(through_a_queue(std::list<std::set<int>>{{1, 2}, {}}),
            (std::list<std::set<int>>{{1, 2}, {}}));
  const Task task{3, "name", {1, 2, 3}};
  EXPECT_EQ(through_a_queue(task), task);
  EXPECT_EQ(through_a_queue(Named("own")).name(), "own");
}

TEST_F(QueueTest, MessagesOfEveryLengthComeOutWhole) {
  const mp::Queue<std::string> q;
  std::vector<std::size_t> lengths(300);
  std::iota(lengths.begin(), lengths.end(), 0U);
  // Around the ends of: what lies in the queue itself, its segments, the arena's blocks and chunks.
  for (const std::size_t edge : {4096U, 16384U, 65536U, 131072U, 1048576U}) {
    for (std::size_t length = edge - 100; length <= edge + 20; length += 4) {
      lengths.push_back(length);
    }
  }
  const auto text = [](std::size_t n) { return std::string(n, static_cast<char>('a' + n % 23)); };
  for (const std::size_t length : lengths) {
    q.put(text(length));
    ASSERT_EQ(q.get(), text(length)) << length;
  }
  for (const std::size_t length : lengths) q.put(text(length));
  for (const std::size_t length : lengths) ASSERT_EQ(q.get(), text(length)) << length;
}

TEST_F(QueueTest, AValueOfNothingButBytesComesOutWholeWhateverItsSize) {
  const auto check = []<std::size_t N>(const Block<N>& empty) {
    Block<N> block = empty;
    std::iota(block.rest.begin(), block.rest.end(), 2U);
    EXPECT_EQ(through_a_queue(block), block) << sizeof block;
  };
  check(Block<1>{1, {}});
  check(Block<255>{1, {}});
  check(Block<4095>{1, {}});  // the longest that lies in the row itself
  check(Block<4096>{1, {}});
  check(Block<100'000>{1, {}});
}

TEST_F(QueueTest, AMessageOfAnotherSizeIsReadByItsType) {
  const mp::Queue<std::int64_t> wide;
  const auto narrow = same_as<mp::Queue<std::int8_t>>(wide);
  narrow.put(-5);
  EXPECT_THROW(static_cast<void>(wide.get()), mp::TypeError);
  EXPECT_EQ(narrow.get(), -5);
  const mp::Queue<> objects;
  const auto numbers = same_as<mp::Queue<std::int64_t>>(objects);
  objects.put(std::int64_t{1} << 40);
  EXPECT_EQ(numbers.get(), std::int64_t{1} << 40);
}

TEST_F(QueueTest, ALongMessageThatCannotBeMeasuredBeforehandComesOutWhole) {
  EXPECT_EQ(through_a_queue(Named(std::string(300'000, 'x'))).name(), std::string(300'000, 'x'));
}

TEST_F(QueueTest, WhatSerialisationThrowsIsThrownByPut) {
  const mp::Queue<Named> q;
  EXPECT_THROW(q.put(Named("unspeakable")), std::runtime_error);
  EXPECT_TRUE(q.empty());
  q.put(Named("fine"));
  EXPECT_EQ(q.get().name(), "fine");
}

TEST_F(QueueTest, AMessageOfAnotherTypeIsATypeErrorAndNotLost) {
  const mp::Queue<std::string> strings;
  const auto numbers = same_as<mp::Queue<int>>(strings);
  for (const std::size_t length : {std::size_t{3}, std::size_t{100'000}}) {
    strings.put(std::string(length, 'a'));
    numbers.put(5);
    for (int i = 0; i < 2; ++i) {
      try {
        static_cast<void>(numbers.get());
        ADD_FAILURE();
      } catch (const mp::TypeError& error) {
        EXPECT_NE(std::string(error.what()).find("std::string"), std::string::npos) << error.what();
        EXPECT_NE(std::string(error.what()).find("int"), std::string::npos) << error.what();
      }
    }
    EXPECT_EQ(strings.get(), std::string(length, 'a'));
    EXPECT_EQ(numbers.get(), 5);
  }
}

TEST_F(QueueTest, TheDefaultQueueCarriesWhatPythonHas) {
  const mp::Queue<> q;
  q.put(1);
  q.put("two");
  q.put(nullptr);
  q.put(mp::Object::list({1, "two", nullptr}));
  q.put({});
  EXPECT_EQ(q.get().as<int>(), 1);
  EXPECT_EQ(q.get(), "two");
  EXPECT_TRUE(q.get().is_none());
  EXPECT_EQ(q.get().repr(), "[1, 'two', None]");
  EXPECT_TRUE(q.get().is_none());
}

TEST_F(QueueTest, WhatHasACounterpartInPythonIsReadAsObjectAndBack) {
  const mp::Queue<> objects;
  const auto maps = same_as<mp::Queue<std::map<std::string, int>>>(objects);
  maps.put({{"a", 1}});
  EXPECT_EQ(objects.get().repr(), "{'a': 1}");
  objects.put(mp::Object::dict({{"b", 2}}));
  EXPECT_EQ(maps.get(), (std::map<std::string, int>{{"b", 2}}));
  const auto texts = same_as<mp::Queue<std::string>>(objects);
  objects.put(std::string(100'000, 'x'));
  EXPECT_THROW(static_cast<void>(maps.get()), mp::TypeError);
  EXPECT_EQ(texts.get(), std::string(100'000, 'x'));
}

TEST_F(QueueTest, AQueueTravelsInAMessageAndOutlivesItsMaker) {
  const mp::Queue<mp::Queue<int>> q;
  EXPECT_EQ(in_child([&] {
              const mp::Queue<int> inner(3);
              inner.put(1);
              q.put(inner);
            }),
            0);
  const mp::Queue<int> inner = q.get();
  EXPECT_EQ(inner.get(), 1);
  inner.put(2);
  inner.put(3);
  inner.put(4);
  EXPECT_TRUE(inner.full());
}

TEST_F(QueueTest, HandlesTravelInsideOtherThings) {
  const mp::Queue<std::map<std::string, mp::Lock>> q;
  mp::Lock lock;
  q.put({{"a", lock}, {"b", mp::Lock()}});
  auto got = q.get();
  EXPECT_TRUE(lock.acquire());
  EXPECT_FALSE(got.at("a").acquire(false));
  EXPECT_TRUE(got.at("b").acquire(false));
}

TEST_F(QueueTest, AHandleThatNobodyTookIsLetGoWithItsQueue) {
  const mp::Queue<mp::Queue<mp::Lock>> outer;
  const mp::Queue<mp::Lock> inner;
  inner.put(mp::Lock());
  outer.put(inner);
}

TEST_F(QueueTest, AnUnboundedQueueGrowsAndGivesMemoryBack) {
  const mp::Queue<std::string> q;
  constexpr int kMessages = 200'000;
  const std::string text(100, 'x');
  const std::size_t before = memory::usage().blocks;
  for (int i = 0; i < kMessages; ++i) q.put(text);
  EXPECT_EQ(q.qsize(), static_cast<std::size_t>(kMessages));
  EXPECT_GT(memory::usage().blocks, before + 10);
  for (int i = 0; i < kMessages; ++i) ASSERT_EQ(q.get(), text);
  EXPECT_LE(memory::usage().blocks, before + 2);
}

TEST(QueueLimit, AFullSegmentIsAMemoryErrorAndNothingIsLost) {
  const Watchdog watchdog(60s);
  EXPECT_EQ(::test::run_fresh("full_segment", {"MULTIPROCESSING_SEGMENT_LIMIT=16777216"}), 0);
}

TEST(QueueMessages, AMessageForWhoseHandlesThereIsNoRoomStaysInTheQueue) {
  EXPECT_EQ(::test::run_fresh("no_room_for_a_handle"), 0);
}

// In the long form longer than 32 bits can say.
TEST_F(QueueTest, AMessageMayBeAsLargeAsTheSegment) {
  const std::size_t length = (std::size_t{1} << (long_form() ? 32 : 28)) + 5;
  const mp::Queue<std::string> q;
  Child child([&] {
    const std::string got = q.get();
    return got.size() == length && got.front() == 'a' && got.back() == 'z' &&
           got.find_first_not_of('m', 1) == length - 1;
  });
  {
    std::string text(length, 'm');
    text.front() = 'a';
    text.back() = 'z';
    q.put(text);
  }
  EXPECT_EQ(child.wait(), 0);
}

}  // namespace
}  // namespace multiprocessing::test
