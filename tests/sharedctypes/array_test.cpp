// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <algorithm>
#include <forward_list>
#include <iterator>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/sharedctypes.hpp>
#include <numeric>
#include <ranges>
#include <span>
#include <vector>

#include "child.hpp"
#include "memory/arena.hpp"
#include "watchdog.hpp"

namespace mp = multiprocessing;
using multiprocessing::test::Child;
using multiprocessing::test::in_child;
using multiprocessing::test::Watchdog;
using Ints = std::vector<int>;

namespace {

static_assert(std::ranges::contiguous_range<mp::Array<int>>);
static_assert(std::ranges::contiguous_range<const mp::RawArray<double>>);
static_assert(std::ranges::sized_range<mp::Array<int>>);
static_assert(!std::is_constructible_v<mp::Array<int>, bool>);
static_assert(!std::is_constructible_v<mp::Array<int>, double>);
static_assert(!std::is_convertible_v<int, mp::Array<int>>);

class Array : public testing::Test {
  Watchdog watchdog_;
};

Ints all(const mp::Array<int>& a) { return a.slice(); }

// 0, 1, 2 …, as Python's range().
Ints numbers(int count) {
  Ints result(static_cast<std::size_t>(count));
  std::iota(result.begin(), result.end(), 0);
  return result;
}

// A range that can be read once, and tells no size.
struct Countdown {
  struct iterator {
    using value_type = long;
    using difference_type = std::ptrdiff_t;
    long* left;
    long operator*() const { return *left; }
    iterator& operator++() { return --*left, *this; }
    void operator++(int) { --*left; }
    friend bool operator==(const iterator& i, std::default_sentinel_t) { return *i.left == 0; }
  };
  long left = 3;
  iterator begin() { return {&left}; }
  static std::default_sentinel_t end() { return {}; }
};
static_assert(!std::ranges::forward_range<Countdown>);

TEST_F(Array, OfASizeIsZeroAlsoWhereMemoryIsUsedAgain) {
  for (std::size_t size : {1UL, 10UL, 10'000UL, 1'000'000UL}) {
    for (int round = 0; round < 3; ++round) {
      mp::Array<int> a(size);
      ASSERT_EQ(a.size(), size);
      EXPECT_EQ(std::ranges::count(a, 0), static_cast<std::ptrdiff_t>(size));
      a.fill(-1);
    }
  }
}

TEST_F(Array, TakesValuesOrAnyRangeOfThem) {
  const std::vector<short> shorts{1, 2, 3};
  const std::forward_list<long> list{1, 2, 3};
  Countdown once;

  EXPECT_EQ(all({1, 2, 3}), (Ints{1, 2, 3}));
  EXPECT_EQ(all(mp::Array<int>{7}), Ints{7});
  EXPECT_EQ(all(mp::Array<int>({1, 2})), (Ints{1, 2}));
  EXPECT_EQ(all(mp::Array<int>(shorts)), (Ints{1, 2, 3}));
  EXPECT_EQ(all(mp::Array<int>(std::vector{1, 2})), (Ints{1, 2}));
  EXPECT_EQ(all(mp::Array<int>(list)), (Ints{1, 2, 3}));
  EXPECT_EQ(all(mp::Array<int>(once)), (Ints{3, 2, 1}));
  EXPECT_EQ((mp::Array<double>{1, 2.5}[1]), 2.5);
  EXPECT_EQ((mp::Array<bool>(std::vector<bool>{false, true})[1]), true);
  EXPECT_EQ(mp::Array<int>().size(), 0U);
  EXPECT_TRUE(mp::Array<int>(0).empty());
}

TEST_F(Array, RefusesANegativeSizeAndOneThatIsTooLarge) {
  EXPECT_THROW(mp::Array<int>(-1), mp::ValueError);
  EXPECT_THROW(mp::RawArray<char>(-1L), mp::ValueError);
  EXPECT_THROW(mp::Array<int>(1L << 60), mp::MemoryError);
  EXPECT_THROW(mp::Array<double>(SIZE_MAX), mp::MemoryError);
  EXPECT_THROW(mp::Array<double>(INT64_MAX), mp::MemoryError);
}

TEST_F(Array, IndexesAsPythonDoes) {
  const mp::Array<int> a{10, 11, 12};
  a[0] += 5;
  a.at(-1) = 9;
  a[std::size_t{1}] = 3;
  EXPECT_EQ(all(a), (Ints{15, 3, 9}));
  EXPECT_EQ(a[-3], 15);
}

TEST_F(Array, OutOfRangeIsAnIndexErrorThatNamesIndexAndSize) {
  const mp::Array<int> a{10, 11, 12};
  EXPECT_THROW(a.at(3), mp::IndexError);
  EXPECT_THROW(a[3], mp::IndexError);
  EXPECT_THROW(a[-4], mp::IndexError);
  EXPECT_THROW(a[SIZE_MAX], mp::IndexError);
  EXPECT_THROW(a[INT64_MIN], mp::IndexError);
  EXPECT_THROW(mp::Array<int>()[0], mp::IndexError);
  EXPECT_THROW(mp::Array<int>()[-1], mp::IndexError);
  try {
    a.at(-7) = 1;
  } catch (const mp::IndexError& error) {
    EXPECT_STREQ(error.what(), "Array: index -7 is out of range, it has 3 elements");
  }
}

TEST_F(Array, SlicesAsPythonDoes) {
  const mp::Array<int> a(numbers(6));
  EXPECT_EQ(a.slice(2, 5), (Ints{2, 3, 4}));
  EXPECT_EQ(a.slice(4), (Ints{4, 5}));
  EXPECT_EQ(a.slice(-2), (Ints{4, 5}));
  EXPECT_EQ(a.slice(0, -4), (Ints{0, 1}));
  EXPECT_EQ(a.slice(4, 100), (Ints{4, 5}));
  EXPECT_EQ(a.slice(-100, 1), Ints{0});
  EXPECT_EQ(a.slice(5, 2), Ints{});
  EXPECT_EQ(a.slice(100, 200), Ints{});
  EXPECT_EQ(a.slice().size(), 6U);
}

TEST_F(Array, TakesAsManyValuesAsItHasPlaces) {
  const mp::Array<int> a(4);
  a.assign({1, 2, 3, 4});
  a.set_slice(1, 3, std::vector<short>{8, 9});
  EXPECT_EQ(all(a), (Ints{1, 8, 9, 4}));
  EXPECT_THROW(a.assign({1, 2}), mp::ValueError);
  EXPECT_THROW(a.assign(Countdown{}), mp::ValueError);
  EXPECT_THROW(a.set_slice(0, 2, {1}), mp::ValueError);
  EXPECT_THROW(a.set_slice(0, 2, {1, 2, 3}), mp::ValueError);
  EXPECT_EQ(all(a), (Ints{1, 8, 9, 4}));
  a.assign(numbers(4));
  a.set_slice(-2, 99, {7, 7});
  EXPECT_EQ(all(a), (Ints{0, 1, 7, 7}));
  a.set_slice(1, 4, Countdown{});
  EXPECT_EQ(all(a), (Ints{0, 3, 2, 1}));
  a.fill(5);
  EXPECT_EQ(all(a), (Ints{5, 5, 5, 5}));
}

TEST_F(Array, IsAContiguousRange) {
  mp::Array<double> a(10);
  for (double& x : a) x += 1;
  std::span<double> view(a);
  view[9] = 5;
  auto deduced = std::span(a);
  EXPECT_EQ(deduced.size(), 10U);
  EXPECT_EQ(std::accumulate(a.begin(), a.end(), 0.0), 14);
  std::ranges::sort(a, std::greater<>());
  EXPECT_EQ(a[0], 5);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.data()) % 64, 0U);
}

TEST_F(Array, OfCharactersIsATextAsInPython) {
  mp::Array<char> a(10);
  a.value("hello");
  EXPECT_EQ(a.value(), "hello");
  EXPECT_EQ(a.raw(), std::string("hello\0\0\0\0\0", 10));
  a.value("bye");
  EXPECT_EQ(a.value(), "bye");
  EXPECT_EQ(a.raw(), std::string("bye\0o\0\0\0\0\0", 10));
  a.raw("0123456789");
  EXPECT_EQ(a.value(), "0123456789");
  EXPECT_THROW(a.value("0123456789X"), mp::ValueError);
  EXPECT_THROW(a.raw("0123456789X"), mp::ValueError);
  EXPECT_EQ(mp::Array<char>("hello").size(), 5U);
  EXPECT_EQ(mp::RawArray<char>(std::string("a\0b", 3)).size(), 3U);
  EXPECT_EQ(mp::Array<mp::typecode<'u'>>(L"héllo").value(), L"héllo");
}

TEST_F(Array, IsSeenByAllProcesses) {
  mp::Array<int> a(numbers(10));
  mp::Array<char> text(20);
  const int code = in_child([&] {
    for (int& x : a) x = -x;
    text.value("from the child");
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(a.slice(0, 4), (Ints{0, -1, -2, -3}));
  EXPECT_EQ(text.value(), "from the child");
}

TEST_F(Array, UpdatesOfSeveralProcessesAreAllCounted) {
  mp::Array<long> a(10);
  {
    std::vector<Child> children;
    for (int i = 0; i < 3; ++i) {
      children.emplace_back([=] {
        for (int n = 0; n < 500; ++n) {
          a.update([](std::span<long> all) {
            for (long& x : all) ++x;
          });
        }
      });
    }
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  }
  EXPECT_EQ(std::ranges::count(a, 1500), 10);
}

TEST_F(Array, SharesALockThatItIsGiven) {
  mp::Lock lock;
  mp::Array<char> s(mp::with_lock(lock), 80);
  mp::Array<int> b(mp::with_lock(s.get_lock()), {1, 2, 3});
  mp::Array<char> c(mp::with_lock(lock), "text");
  mp::Value<int> v(mp::with_lock(b.get_lock()), 1);
  EXPECT_EQ(s.size(), 80U);
  EXPECT_EQ(b[2], 3);
  EXPECT_EQ(c.value(), "text");
  const std::scoped_lock guard(v.get_lock());
  EXPECT_TRUE(s.get_lock().locked());
  EXPECT_EQ(b.get_lock(), lock);
}

TEST_F(Array, GivesItsRawSideAndCopiesOfItsData) {
  mp::Array<int> a{1, 2, 3};
  mp::RawArray<int> raw = a.get_obj();
  mp::Array<int> copy = mp::sharedctypes::copy(a);
  mp::Array<int> same = a;
  raw[0] = 7;
  EXPECT_EQ(a[0], 7);
  EXPECT_EQ(same[0], 7);
  EXPECT_EQ(copy[0], 1);
  EXPECT_EQ(mp::sharedctypes::copy(raw)[0], 7);
}

TEST_F(Array, RunsTheDefaultConstructorOfItsElements) {
  struct Cell {
    int n = 5;
    int unset;
  };
  mp::Array<Cell> cells(100);
  EXPECT_TRUE(std::ranges::all_of(cells, [](const Cell& c) { return c.n == 5 && c.unset == 0; }));
}

TEST_F(Array, MayBeLarge) {
  const std::size_t before = mp::memory::usage().taken_bytes;
  {
    mp::Array<unsigned char> a(300 << 20);
    a[-1] = 1;
    EXPECT_EQ(in_child([&] { return a[(300 << 20) - 1]++; }), 1);
    EXPECT_EQ(a[-1], 2);
    EXPECT_EQ(a[12'345'678], 0);
  }
  EXPECT_LE(mp::memory::usage().taken_bytes, before + (64 << 20));
}

}  // namespace
