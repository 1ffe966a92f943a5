// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <unistd.h>

#include <array>
#include <atomic>
#include <complex>
#include <csignal>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/memory.hpp>
#include <multiprocessing/sharedctypes.hpp>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "child.hpp"
#include "memory/arena.hpp"
#include "watchdog.hpp"

namespace mp = multiprocessing;
using multiprocessing::test::Child;
using multiprocessing::test::eventually;
using multiprocessing::test::in_child;
using multiprocessing::test::Watchdog;
using namespace std::chrono_literals;

struct Point {
  double x;
  double y;
};
struct Line {
  Point from, to;
  int width = 1;
};
enum class Colour : unsigned char { kRed, kGreen };
class Celsius {
 public:
  explicit Celsius(double degrees) : degrees_(degrees) {}
  [[nodiscard]] double degrees() const { return degrees_; }

 private:
  double degrees_;
};
template <> inline constexpr bool mp::is_bitwise<Celsius> = true;

namespace {

mp::Value<int> made_before_main(41);
mp::Value<Point> zero_made_before_main;

class Value : public testing::Test {
  Watchdog watchdog_;
};

TEST_F(Value, IsZeroByDefault) {
  mp::Value<int> number;
  mp::Value<Point> point;
  mp::Value<Line> line;
  mp::RawValue<double> raw;

  EXPECT_EQ(number.value(), 0);
  EXPECT_EQ(point.value().x, 0);
  EXPECT_EQ(line.value().width, 1);
  EXPECT_EQ(raw.value(), 0);
}

TEST_F(Value, TakesWhatItsTypeTakes) {
  EXPECT_EQ(mp::Value<int>(7).value(), 7);
  EXPECT_EQ(mp::Value<double>(7).value(), 7);
  EXPECT_FLOAT_EQ(mp::Value<float>(0.5).value(), 0.5F);
  EXPECT_TRUE(mp::Value<bool>(true).value());
  EXPECT_EQ(mp::Value<Colour>(Colour::kGreen).value(), Colour::kGreen);
  EXPECT_EQ(mp::Value<Celsius>(36.6).value().degrees(), 36.6);
  EXPECT_EQ(mp::Value<std::optional<int>>(3).value(), 3);
  EXPECT_EQ((mp::Value<std::array<int, 3>>(1, 2).value()), (std::array<int, 3>{1, 2, 0}));
  EXPECT_EQ((mp::Value<std::pair<int, char>>(1, 'a').value()), std::pair(1, 'a'));
  EXPECT_EQ(mp::Value<std::complex<double>>(1, 2).value(), std::complex<double>(1, 2));
}

TEST_F(Value, OfAnAggregateTakesItsMembersOrAWholeOne) {
  mp::Value<Point> point(1, 2);
  mp::RawValue<Point> copy(point.value());
  mp::Value<Line> line(Point{1, 2}, Point{3, 4}, 5);
  mp::Value<Line> flat(1, 2, 3, 4);

  EXPECT_EQ(point.value().y, 2);
  EXPECT_EQ(copy.value().y, 2);
  EXPECT_EQ(line.value().to.x, 3);
  EXPECT_EQ(line.value().width, 5);
  EXPECT_EQ(flat.value().to.y, 4);
  EXPECT_EQ(flat.value().width, 1);
}

TEST_F(Value, HasATypeForEveryTypecode) {
  EXPECT_TRUE((std::is_same_v<mp::typecode<'c'>, char>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'u'>, wchar_t>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'b'>, signed char>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'B'>, unsigned char>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'h'>, short>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'H'>, unsigned short>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'i'>, int>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'I'>, unsigned>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'l'>, long>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'L'>, unsigned long>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'q'>, long long>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'Q'>, unsigned long long>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'f'>, float>));
  EXPECT_TRUE((std::is_same_v<mp::typecode<'d'>, double>));
  mp::Value<mp::typecode<'d'>> price(19.99);
  EXPECT_EQ(price.value(), 19.99);
}

TEST_F(Value, RefusesWhatMeansNothingElsewhere) {
  struct WithPointer {
    int n;
    const char* name;
  };
  struct Nested {
    WithPointer inner;
  };
  EXPECT_TRUE(mp::detail::shareable<Line>());
  EXPECT_TRUE(mp::detail::shareable<std::atomic<int>>());
  EXPECT_FALSE(mp::detail::shareable<int*>());
  EXPECT_FALSE(mp::detail::shareable<WithPointer>());
  EXPECT_FALSE(mp::detail::shareable<Nested>());
  EXPECT_FALSE((mp::detail::shareable<std::array<char*, 2>>()));
  EXPECT_FALSE(mp::detail::shareable<std::string>());
  EXPECT_FALSE(mp::detail::shareable<std::vector<int>>());
  EXPECT_FALSE(mp::detail::shareable<std::string_view>());
  EXPECT_FALSE(mp::detail::shareable<mp::Lock>());
}

TEST_F(Value, DoesNotCutAFractionOff) {
  EXPECT_FALSE((std::is_constructible_v<mp::Value<int>, double>));
  EXPECT_TRUE((std::is_constructible_v<mp::Value<double>, int>));
  EXPECT_FALSE((std::is_constructible_v<mp::Value<int>, const char*>));
  EXPECT_FALSE((std::is_convertible_v<int, mp::Value<int>>));
}

TEST_F(Value, IsSeenByAllProcessesAndCopies) {
  mp::Value<int> counter(1);
  const mp::Value<int> copy = counter;

  const int code = in_child([&] { return std::exchange(counter.value(), 7); });

  EXPECT_EQ(code, 1);
  EXPECT_EQ(copy.value(), 7);
  copy.value() += 1;
  copy.value(copy.value() * 2);
  EXPECT_EQ(counter.value(), 16);
}

TEST_F(Value, MayBeAGlobal) {
  EXPECT_EQ(zero_made_before_main.value().x, 0);
  const int code = in_child([] { return ++made_before_main.value(); });
  EXPECT_EQ(code, 42);
  EXPECT_EQ(made_before_main.value(), 42);
}

TEST_F(Value, UpdatesOfSeveralProcessesAreAllCounted) {
  mp::Value<int> counter(0);
  mp::Value<Point> point(0, 0);
  {
    std::vector<Child> children;
    for (int i = 0; i < 4; ++i) {
      children.emplace_back([=] {
        for (int n = 0; n < 1000; ++n) {
          counter.update([](int& v) { ++v; });
          const std::scoped_lock guard(point.get_lock());
          point.value().x += 1;
          point.value().y -= 1;
        }
      });
    }
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  }
  EXPECT_EQ(counter.value(), 4000);
  EXPECT_EQ(point.value().x, 4000);
  EXPECT_EQ(point.value().y, -4000);
}

TEST_F(Value, UpdateGivesBackWhatTheFunctionReturns) {
  mp::Value<int> counter(5);
  EXPECT_EQ(counter.update([](int& v) { return v++; }), 5);
  EXPECT_EQ(&counter.update([](int& v) -> int& { return v; }), &counter.value());
}

TEST_F(Value, UpdateReleasesTheLockWhenTheFunctionThrows) {
  mp::Value<int> counter(5);
  EXPECT_THROW(counter.update([](int&) { throw std::logic_error("no"); }), std::logic_error);
  EXPECT_FALSE(counter.get_lock().locked());
}

TEST_F(Value, HasARecursiveLockOfItsOwn) {
  mp::Value<int> counter;
  mp::Value<int> other;
  const std::scoped_lock guard(counter.get_lock());
  counter.update([&](int& v) {
    EXPECT_TRUE(counter.acquire(false));
    counter.release();
    v = 1;
  });
  EXPECT_TRUE(counter.get_lock().locked());
  EXPECT_FALSE(other.get_lock().locked());
  EXPECT_EQ(in_child([&] { return counter.acquire(false) ? 1 : 0; }), 0);
  EXPECT_EQ(in_child([&] { return counter.get_lock().acquire(10ms) ? 1 : 0; }), 0);
}

TEST_F(Value, IsLockableItself) {
  const mp::Value<int> a;
  const mp::Array<int> b(1);
  const std::scoped_lock both(a, b);
  EXPECT_TRUE(a.get_lock().locked());
  EXPECT_TRUE(b.get_lock().locked());
}

TEST_F(Value, SharesALockThatItIsGiven) {
  mp::Lock lock;
  mp::RLock rlock;
  mp::Value<int> shares(mp::with_lock(lock), 3);
  mp::Value<int> empty(mp::with_lock(rlock));
  mp::Value<int> third(mp::with_lock(empty.get_lock()), 1);

  EXPECT_EQ(shares.value(), 3);
  EXPECT_EQ(shares.get_lock(), lock);
  EXPECT_TRUE((std::is_same_v<decltype(shares.get_lock()), decltype(empty.get_lock())>));
  {
    const std::scoped_lock guard(shares.get_lock(), third.get_lock());
    EXPECT_TRUE(lock.locked());
    EXPECT_TRUE(rlock.locked());
    EXPECT_TRUE(empty.get_lock().locked());
  }
  EXPECT_FALSE(lock.locked());
}

TEST_F(Value, KeepsTheLockThatItWasGiven) {
  const std::size_t before = mp::memory::usage().blocks;
  {
    std::optional<mp::Lock> lock(std::in_place);
    mp::Value<int> shares(mp::with_lock(*lock), 3);
    lock.reset();
    EXPECT_EQ(in_child([&] { shares.update([](int& v) { v = 4; }); }), 0);
    EXPECT_EQ(shares.value(), 4);
  }
  mp::memory::note_death();
  EXPECT_EQ(mp::memory::usage().blocks, before);
}

TEST_F(Value, SaysWhoDiedUnderItsLockUntilTheDataIsRepaired) {
  mp::Value<int> balance(100);
  Child child([&] {
    balance.acquire();
    balance.value() = -1;
    ::raise(SIGKILL);
  });
  EXPECT_EQ(child.wait(), -SIGKILL);

  EXPECT_THROW(balance.update([](int& v) { ++v; }), mp::OwnerDiedError);
  EXPECT_EQ(balance.value(), -1);
  balance.get_lock().make_consistent([&] { balance.value() = 100; });
  balance.update([](int& v) { ++v; });
  EXPECT_EQ(balance.value(), 101);
}

TEST_F(Value, IsFreedWithItsLastHandleInAnyProcess) {
  const std::size_t before = mp::memory::usage().blocks;
  {
    std::vector<mp::Value<int>> values;
    for (int i = 0; i < 100; ++i) values.emplace_back(i);
    EXPECT_EQ(mp::memory::usage().blocks, before + 100);
    Child holder([&] {
      values[0].value() = -1;
      ::pause();
    });
    EXPECT_TRUE(eventually([&] { return values[0].value() == -1; }));
    values.clear();
    EXPECT_EQ(mp::memory::usage().blocks, before + 100);
  }
  EXPECT_TRUE(
      eventually([&] { return mp::memory::note_death(), mp::memory::usage().blocks == before; }));
}

TEST_F(Value, LeavesNothingBehindWhenItsConstructionFails) {
  struct Throws {
    Throws(int) { throw std::logic_error("no"); }
    int n = 0;
  };
  const std::size_t before = mp::memory::usage().blocks;
  mp::Lock lock;
  EXPECT_EQ(before + 1, mp::memory::usage().blocks);
  EXPECT_THROW(static_cast<void>(mp::detail::make_data(
                   {1, sizeof(Throws), alignof(Throws),
                    [](void* where, void*) { ::new (where) Throws(1); }, nullptr},
                   mp::detail::HandleAccess::get(static_cast<mp::AnyLock&>(lock)))),
               std::logic_error);
  EXPECT_EQ(before + 1, mp::memory::usage().blocks);
}

TEST_F(Value, CanBeTakenTenThousandTimes) {
  std::vector<mp::Value<int>> values;
  const std::size_t before = mp::memory::usage().taken_bytes;
  for (int i = 0; i < 10'000; ++i) values.emplace_back(i);
  EXPECT_LE(mp::memory::usage().taken_bytes - before, 4U << 20);
  const int code = in_child([&] {
    int sum = 0;
    for (const auto& value : values) sum += value.update([](int& v) { return v++ % 2; });
    return sum == 5000;
  });
  EXPECT_EQ(code, 0);
  EXPECT_EQ(values.back().value(), 10'000);
}

TEST_F(Value, MayBeAnAtomicThatNeedsNoLock) {
  mp::RawValue<std::atomic<int>> hits(0);
  {
    std::vector<Child> children;
    for (int i = 0; i < 4; ++i) {
      children.emplace_back([=] {
        for (int n = 0; n < 10'000; ++n) ++hits.value();
      });
    }
    for (Child& child : children) EXPECT_EQ(child.wait(), 0);
  }
  EXPECT_EQ(hits.value(), 40'000);
}

TEST_F(Value, KeepsItsTypesAlignment) {
  struct alignas(64) Wide {
    char c;
  };
  std::vector<mp::Value<Wide>> many;
  for (int i = 0; i < 10; ++i) {
    many.emplace_back();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&many.back().value()) % 64, 0U);
  }
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&mp::Value<long double>().value()) % 16, 0U);
}

TEST_F(Value, StaysUsableWhenItWasMovedFrom) {
  mp::Value<int> a(1);
  const mp::Value<int> b = std::move(a);
  a.update([](int& v) { ++v; });  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(b.value(), 2);
}

TEST_F(Value, GivesItsRawSideAndCopiesOfItsData) {
  mp::Value<int> a(1);
  mp::RawValue<int> raw = a.get_obj();
  mp::Value<int> copy = mp::sharedctypes::copy(a);
  mp::RawValue<int> raw_copy = mp::sharedctypes::copy(raw);
  raw.value() = 2;
  EXPECT_EQ(a.value(), 2);
  EXPECT_EQ(copy.value(), 1);
  EXPECT_EQ(raw_copy.value(), 1);
}

TEST_F(Value, TravelsAsAHandleInAnyMessage) {
  struct Job {
    std::string name;
    mp::Value<int> result;
    mp::Array<double> data;
    std::vector<mp::RawValue<Point>> points;
  };
  mp::Lock lock;
  Job sent{"first", mp::Value<int>(mp::with_lock(lock), 1), {1, 2}, {}};
  sent.points.emplace_back(3, 4);
  mp::detail::Encoder encoder;
  mp::detail::encode<Job>(encoder, sent);
  mp::detail::Decoder decoder(encoder.bytes(), encoder.handles());

  const Job got = mp::detail::decode_as<Job>(mp::detail::fingerprint<Job>(), decoder);

  got.result.value() = 5;
  got.data[1] = 7;
  EXPECT_EQ(sent.result.value(), 5);
  EXPECT_EQ(got.result.get_lock(), lock);
  EXPECT_EQ(sent.data[-1], 7);
  EXPECT_EQ(got.data.size(), 2U);
  EXPECT_EQ(got.points[0].value().x, 3);
}

TEST_F(Value, IsAMessageOfItsOwnType) {
  using mp::detail::fingerprint;
  EXPECT_NE(fingerprint<mp::Value<int>>(), fingerprint<mp::Value<long>>());
  EXPECT_NE(fingerprint<mp::Value<int>>(), fingerprint<mp::RawValue<int>>());
  EXPECT_NE(fingerprint<mp::Value<int>>(), fingerprint<mp::Array<int>>());
}

}  // namespace
