// SPDX-License-Identifier: BSL-1.0
// What the calls of a pool give and throw.
#include <atomic>
#include <boost/serialization/string.hpp>
#include <cstdlib>
#include <forward_list>
#include <future>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>

#include "pool_test.hpp"

namespace multiprocessing::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

class PoolCallTest : public PoolTest {
 protected:
  const Pool pool{2};
};

TEST_F(PoolCallTest, AFunctionThatReturnsNothingGivesNothing) {
  const Value<int> sum(0);
  pool.map(partial([](Value<int> to, int x) { to.update([&](int& n) { n += x; }); }, sum),
           numbers(1, 100));
  EXPECT_EQ(sum.value(), 5050);

  const AsyncResult<void> result = pool.map_async([](int) {}, numbers(1, 3));
  result.get();
  EXPECT_TRUE(result.successful());
}

TEST_F(PoolCallTest, EveryFormOfMapTakesNoItems) {
  const std::vector<int> none;
  EXPECT_THAT(pool.map(square, none), SizeIs(0));
  EXPECT_THAT(pool.map(square, none, 7), SizeIs(0));
  EXPECT_THAT(pool.map_async(square, none).get(), SizeIs(0));
  EXPECT_THAT(pool.starmap([](int a, int b) { return a + b; }, std::vector<std::pair<int, int>>{}),
              SizeIs(0));
  auto ordered = pool.imap(square, none);
  EXPECT_FALSE(ordered.next());
  auto unordered = pool.imap_unordered(square, none);
  EXPECT_FALSE(unordered.next());
}

TEST_F(PoolCallTest, ItemsComeFromAnyRange) {
  const std::forward_list<int> unsized{1, 2, 3};
  const std::map<std::string, int> pairs{{"a", 1}, {"bb", 2}};

  EXPECT_THAT(pool.map(square, unsized), ElementsAre(1, 4, 9));
  EXPECT_THAT(pool.map(square, {4, 5}), ElementsAre(16, 25));
  EXPECT_THAT(
      pool.starmap([](const std::string& s, int n) { return s + std::to_string(n); }, pairs),
      ElementsAre("a1", "bb2"));
  EXPECT_THAT(pool.map([](bool b) { return !b; }, std::vector<bool>{true, false}),
              ElementsAre(false, true));
  const char* const words[] = {"one", "three"};
  EXPECT_THAT(pool.map([](const std::string& s) { return s.size(); }, words), ElementsAre(3, 5));
}

TEST_F(PoolCallTest, LargeArgumentsAndResultsArriveWhole) {
  std::vector<std::vector<double>> items;
  for (int i = 0; i < 6; ++i) {
    items.emplace_back(std::size_t{1} << (10 + 2 * i), static_cast<double>(i) + 0.5);
  }

  const auto results = pool.map(
      [](std::vector<double> v) {
        v.push_back(1);
        return v;
      },
      items, 2);

  for (std::size_t i = 0; i < items.size(); ++i) {
    items[i].push_back(1);
    EXPECT_EQ(results[i], items[i]);
  }
}

TEST_F(PoolCallTest, AKnownErrorArrivesAsItselfAndAnyOtherAsARemoteError) {
  struct Odd : std::exception {
    const char* what() const noexcept override { return nullptr; }
  };
  const auto fail = [](int how) {
    switch (how) {
      case 0:
        throw KeyError("no such key");
      case 1:
        throw std::out_of_range("too far");
      case 2:
        throw 42;
      case 3:
        throw Odd();
      case 4:
        multiprocessing::exit(3);
      default:
        throw std::string("text");
    }
  };

  EXPECT_STREQ(caught<KeyError>([&] { pool.apply(fail, 0); }).what(), "no such key");
  const auto range = caught<RemoteError>([&] { pool.apply(fail, 1); });
  EXPECT_EQ(range.type_name(), "std::out_of_range");
  EXPECT_EQ(range.message(), "too far");
  EXPECT_THAT(range.process(), testing::StartsWith("PoolWorker-"));
  EXPECT_EQ(caught<RemoteError>([&] { pool.apply(fail, 2); }).message(), "42");
  EXPECT_EQ(caught<RemoteError>([&] { pool.apply(fail, 3); }).message(), "");
  EXPECT_THAT(caught<RemoteError>([&] { pool.apply(fail, 4); }).type_name(),
              HasSubstr("SystemExit"));
  EXPECT_EQ(caught<RemoteError>([&] { pool.apply(fail, 5); }).message(), "text");
}

TEST_F(PoolCallTest, MapThrowsTheFirstErrorWhenAllItemsHaveEnded) {
  const Value<int> ended(0);
  const auto task = partial(
      [](Value<int> count, int x) {
        if (x == 3) throw ValueError("three");
        count.update([](int& n) { ++n; });
        return x;
      },
      ended);

  EXPECT_STREQ(caught<ValueError>([&] { pool.map(task, numbers(1, 40), 4); }).what(), "three");

  EXPECT_EQ(ended.value(), 39);
}

struct Stubborn {
  int value = 0;
  bool refuses = false;
  template <class Archive> void save(Archive& ar, unsigned) const {
    ar << value;
    if (refuses) throw std::runtime_error("not this one");
    ar << refuses;
  }
  template <class Archive> void load(Archive& ar, unsigned) {
    ar >> value;
    ar >> refuses;
  }
  template <class Archive> void serialize(Archive& ar, unsigned version) {
    boost::serialization::split_member(ar, *this, version);
  }
};

TEST_F(PoolCallTest, AResultThatCannotBeSerialisedFailsItsItemAlone) {
  auto results = pool.imap([](int x) { return Stubborn{x, x == 2}; }, numbers(1, 4), 4);

  EXPECT_EQ(results.next()->value, 1);
  EXPECT_EQ(caught<RemoteError>([&] { results.next(); }).message(), "not this one");
  EXPECT_EQ(results.next()->value, 3);
  EXPECT_EQ(results.next()->value, 4);
  EXPECT_FALSE(results.next());
}

TEST_F(PoolCallTest, AnArgumentThatCannotBeSerialisedIsAnErrorOfTheCall) {
  const auto task = [](const Stubborn& s) { return s.value; };
  std::vector<Stubborn> items(20);
  items[15].refuses = true;

  EXPECT_EQ(std::string(caught<std::runtime_error>([&] { pool.map(task, items, 1); }).what()),
            "not this one");
  EXPECT_THROW(pool.apply_async(task, items[15]), std::runtime_error);
  EXPECT_EQ(pool.apply(task, Stubborn{5}), 5);
}

struct Unreadable {
  int operator()(int x) const { return x; }
  template <class Archive> void serialize(Archive& /*ar*/, unsigned) {
    if (Archive::is_loading::value) throw ValueError("not here");
  }
  int state = 0;
};

TEST_F(PoolCallTest, ACallableThatCannotBeReadFailsEvenTheFirstTaskAndNoWorker) {
  const Pool fresh(1);

  EXPECT_THROW(fresh.apply(Unreadable(), 1), ValueError);
  EXPECT_EQ(fresh.stats().front().restarts, 0U);
}

TEST_F(PoolCallTest, GetWaitsNoLongerThanItsTimeout) {
  const Event go;
  const AsyncResult<int> result = pool.apply_async(
      [](Event event) {
        event.wait();
        return 1;
      },
      go);

  EXPECT_THROW(result.get(10ms), TimeoutError);
  EXPECT_FALSE(result.wait(0ms));
  EXPECT_FALSE(result.ready());
  EXPECT_THROW(static_cast<void>(result.successful()), ValueError);
  Event(go).set();
  EXPECT_EQ(result.get(20s), 1);
  EXPECT_EQ(result.get(), 1);
  EXPECT_TRUE(result.successful());
}

TEST_F(PoolCallTest, OneOfTheCallbacksRunsOnceBeforeGetReturns) {
  std::atomic<int> value{0};
  std::string error;
  std::thread::id thread;

  const auto good = pool.apply_async(square, 6);
  good.then([&](int x) {
    value = x;
    thread = std::this_thread::get_id();
  });
  EXPECT_EQ(good.get(), 36);
  EXPECT_EQ(value, 36);

  const auto bad = pool.map_async([](int) -> int { throw KeyError("k"); }, numbers(1, 3));
  bad.then([&](const std::vector<int>&) { value = -1; },
           [&](const std::exception& e) { error = e.what(); });
  EXPECT_THROW(bad.get(), KeyError);
  EXPECT_EQ(error, "k");
  EXPECT_EQ(value, 36);

  good.then([&](int x) { value = x + 1; });
  EXPECT_EQ(value, 37);
}

TEST_F(PoolCallTest, ACallbackThatThrowsHarmsNobody) {
  const auto result = pool.apply_async(square, 2);
  result.then([](int) { throw std::runtime_error("callback"); });
  EXPECT_EQ(result.get(), 4);
  EXPECT_EQ(pool.apply(square, 3), 9);
}

TEST_F(PoolCallTest, ImapGivesResultsInOrderAndUnorderedAllOfThem) {
  std::vector<int> ordered;
  for (const int x : pool.imap(square, numbers(1, 200))) ordered.push_back(x);
  EXPECT_EQ(ordered, pool.map(square, numbers(1, 200)));

  std::vector<int> chunked;
  for (const int x : pool.imap(square, numbers(1, 200), 7)) chunked.push_back(x);
  EXPECT_EQ(chunked, ordered);

  std::vector<int> unordered;
  for (const int x : pool.imap_unordered(square, numbers(1, 200))) unordered.push_back(x);
  std::sort(unordered.begin(), unordered.end());
  EXPECT_EQ(unordered, ordered);
}

TEST_F(PoolCallTest, ImapsNextMayBeCalledAgainAfterItThrew) {
  const Event go;
  auto results = pool.imap(partial(
                               [](Event event, int x) {
                                 if (x == 1) event.wait();
                                 if (x == 2) throw ValueError("two");
                                 return x;
                               },
                               go),
                           numbers(1, 3));

  EXPECT_THROW(results.next(10ms), TimeoutError);
  Event(go).set();
  EXPECT_EQ(results.next(20s), 1);
  EXPECT_THROW(results.next(), ValueError);
  EXPECT_EQ(results.next(), 3);
  EXPECT_EQ(results.next(), std::nullopt);
  EXPECT_EQ(results.next(), std::nullopt);
}

// Counts how far it was read, and has no end.
struct Endless {
  struct iterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    using pointer = int*;
    using reference = int;
    int* next;
    int throws_at;
    int operator*() const {
      if (*next == throws_at) throw std::runtime_error("no more input");
      return *next;
    }
    iterator& operator++() { return ++*next, *this; }
    void operator++(int) { ++*next; }
    bool operator!=(const iterator&) const { return true; }
  };
  int* next;
  int throws_at = -1;
  iterator begin() const { return {next, throws_at}; }
  iterator end() const { return {next, throws_at}; }
};

TEST_F(PoolCallTest, ImapReadsAnEndlessInputOnlyALittleAhead) {
  int read = 0;
  auto results = pool.imap(square, Endless{&read});
  for (int i = 0; i < 5000; ++i) {
    EXPECT_EQ(results.next(), i * i);
    EXPECT_LE(read, i + 64);
  }
}

TEST_F(PoolCallTest, AnErrorOfTheInputComesAtItsPosition) {
  int read = 0;
  auto results = pool.imap(square, Endless{&read, 5}, 2);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(results.next(), i * i);
  EXPECT_THROW(results.next(), std::runtime_error);
  EXPECT_EQ(results.next(), std::nullopt);

  read = 0;
  EXPECT_THROW(pool.map(square, Endless{&read, 5}), std::runtime_error);
}

TEST_F(PoolCallTest, NumbersBelowOneAreValueErrors) {
  EXPECT_THROW(Pool(0), ValueError);
  EXPECT_THROW(Pool(-1), ValueError);
  EXPECT_THROW(Pool({.processes = 1, .maxtasksperchild = 0}), ValueError);
  EXPECT_THROW(pool.map(square, numbers(1, 3), 0), ValueError);
  EXPECT_THROW(pool.imap(square, numbers(1, 3), -1), ValueError);
  EXPECT_THROW(ThreadPool(0), ValueError);
}

TEST_F(PoolCallTest, SeveralThreadsMayCallAtOnce) {
  std::vector<std::thread> callers;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 100; ++i) {
        if (pool.apply(square, t * 1000 + i) == (t * 1000 + i) * (t * 1000 + i)) ++good;
        if (pool.map(square, numbers(1, 10)).back() == 100) ++good;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(good, 800);
}

TEST_F(PoolCallTest, ReadingAnItemMayWaitForACallOfAnotherThread) {
  const auto call_elsewhere = [this](int x) {
    return std::async(std::launch::async,
                      [this, x] { return pool.apply_async(square, x).get(10s); })
        .get();
  };
  const ReadBy items{call_elsewhere, numbers(1, 5)};
  EXPECT_THAT(pool.map(square, items, 1), ElementsAre(1, 16, 81, 256, 625));
}

TEST_F(PoolCallTest, AMillionTasksEnd) {
  const auto results = pool.map(square, numbers(1, 1'000'000), 1);
  EXPECT_EQ(results.size(), 1'000'000U);
  EXPECT_EQ(results[999], 1'000'000);
  const AsyncResult<std::vector<int>> later =
      pool.map_async(square, numbers(1, 100'000), {.chunksize = 1});
  EXPECT_EQ(later.get().size(), 100'000U);
}

TEST_F(PoolCallTest, NoWorkerStarvesBehindALongTask) {
  const Event go;
  const auto slow = pool.apply_async(
      [](Event event) {
        event.wait();
        return 0;
      },
      go);

  EXPECT_EQ(pool.map(square, numbers(1, 2000), 1).size(), 2000U);

  EXPECT_FALSE(slow.ready());
  Event(go).set();
  EXPECT_EQ(slow.get(), 0);
}

}  // namespace
}  // namespace multiprocessing::test
