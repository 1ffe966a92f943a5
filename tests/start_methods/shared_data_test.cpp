// SPDX-License-Identifier: BSL-1.0
// Value, Array and their raw kin; SharedMemory and ShareableList.
#include <algorithm>
#include <cstring>
#include <system_error>

#include "across_processes.hpp"

namespace multiprocessing::test {
namespace {

using SharedDataAcross = AcrossProcesses;
BY_EVERY_START_METHOD(SharedDataAcross);

TEST_P(SharedDataAcross, AValuesLockGuardsItInEveryProcess) {
  const auto count = ctx.Value<int>(0);
  const auto sum = ctx.Array<double>(2);
  expect_good_ends(start_many(
      4,
      [](const Value<int>& mine, const Array<double>& array) {
        for (int i = 0; i < 250; ++i) {
          mine.update([](int& n) { ++n; });
          const std::scoped_lock guard(array.get_lock());
          array[1] += 0.5;
        }
      },
      count, sum));
  EXPECT_EQ(count.value(), 1000);
  EXPECT_EQ(sum[0], 0);
  EXPECT_EQ(sum[1], 500);
}

struct Point {
  int x;
  double y;
};

TEST_P(SharedDataAcross, RawDataAreTheSameBytesOnBothSides) {
  const auto point = ctx.RawValue<Point>(1, 2.5);
  const auto numbers = ctx.RawArray<int>({3, 1, 2});
  const auto letter = ctx.Value<typecode<'c'>>('a');
  EXPECT_EQ(run(
                [](const RawValue<Point>& p, const RawArray<int>& a, const Value<char>& c) {
                  check(p.value().x == 1 && p.value().y == 2.5 && c.value() == 'a');
                  p.value().x = 10;
                  std::sort(a.begin(), a.end());
                  c.value() = 'z';
                  check(throws<IndexError>([&] { (void)a.at(3); }));
                },
                point, numbers, letter),
            0);
  EXPECT_EQ(point.value().x, 10);
  EXPECT_THAT(numbers, testing::ElementsAre(1, 2, 3));
  EXPECT_EQ(letter.value(), 'z');
}

TEST_P(SharedDataAcross, SeveralMayShareOneLock) {
  Lock lock = ctx.Lock();
  const Value<int> first(with_lock(lock), 1);
  const Array<int> second(with_lock(lock), {1});
  lock.acquire();
  EXPECT_EQ(run(
                [](const Value<int>& value, const Array<int>& array) {
                  check(value.get_lock() == array.get_lock());
                  check(!value.acquire(false) && !array.acquire(1ms));
                },
                first, second),
            0);
  lock.release();
}

TEST_P(SharedDataAcross, AHolderThatIsKilledAmidAChangeIsNamed) {
  const auto value = ctx.Value<int>(1);
  const Event amid = ctx.Event();
  Process process = start(
      [](const Value<int>& mine, Event told) {
        mine.update([&](int& n) {
          n = 2;
          told.set();
          sleep_for_ever();
        });
      },
      value, amid);
  EXPECT_TRUE(amid.wait(30s));
  process.kill();
  EXPECT_EQ(end_of(process), -SIGKILL);
  EXPECT_THROW(value.update([](int&) {}), OwnerDiedError);
  value.get_lock().make_consistent([&] { value.value() = 1; });
  EXPECT_EQ(value.update([](int& n) { return ++n; }), 2);
}

TEST_P(SharedDataAcross, DataTravelInMessagesAndOutliveWhoMadeThem) {
  const auto made = ctx.Queue<std::pair<Value<int>, RawArray<int>>>();
  EXPECT_EQ(run(
                [](const Queue<std::pair<Value<int>, RawArray<int>>>& to) {
                  to.put({Value<int>(5), RawArray<int>{6, 7}});
                },
                made),
            0);
  const auto [value, array] = made.get(30s);
  EXPECT_EQ(value.value(), 5);
  EXPECT_THAT(array, testing::ElementsAre(6, 7));
}

bool holds(const SharedMemory& block, const char* text) {
  return std::memcmp(block.buf().data(), text, std::strlen(text)) == 0;
}

TEST_P(SharedDataAcross, ABlockIsReachedByHandleAndByName) {
  SharedMemory block(create, 100);
  EXPECT_EQ(run(
                [](SharedMemory mine, const std::string& name) {
                  std::memcpy(mine.buf().data(), "by handle", 9);
                  SharedMemory same(name);
                  check(holds(same, "by handle"));
                  std::memcpy(same.buf().data() + 50, "by name", 7);
                  mine.close();  // for this process alone
                  check(throws<ValueError>([&] { (void)mine.buf(); }));
                },
                block, block.name()),
            0);
  EXPECT_TRUE(holds(block, "by handle"));
  EXPECT_EQ(std::memcmp(block.buf().data() + 50, "by name", 7), 0);
  EXPECT_NO_THROW(SharedMemory(block.name()));
  EXPECT_EQ(run([](const std::string& name) { SharedMemory(name).unlink(); }, block.name()), 0);
  EXPECT_THROW(SharedMemory(block.name()), std::system_error);
  EXPECT_TRUE(holds(block, "by handle"));
}

TEST_P(SharedDataAcross, ABlockOfAKilledChildStays) {
  auto [near, far] = ctx.Pipe();
  Process process = start(
      [](Connection to) {
        SharedMemory block(create, 100);
        std::memcpy(block.buf().data(), "made in the child", 17);
        to.send(block.name());
        sleep_for_ever();
      },
      std::move(far));
  const auto name = near.recv<std::string>();
  process.kill();
  EXPECT_EQ(end_of(process), -SIGKILL);
  SharedMemory block(name);
  EXPECT_TRUE(holds(block, "made in the child"));
  block.unlink();
}

TEST_P(SharedDataAcross, AChildChangesTheItemsOfAList) {
  ShareableList list{1, "two", 3.0, nullptr};
  EXPECT_EQ(run(
                [](ShareableList mine, const std::string& name) {
                  check(mine[1] == Object("two") && mine.size() == 4);
                  mine[0] = 10;
                  ShareableList same(name);
                  same[1] = "zwo";
                },
                list, list.shm().name()),
            0);
  EXPECT_EQ(list[0], Object(10));
  EXPECT_EQ(list[1], Object("zwo"));
  list.shm().unlink();
}

}  // namespace
}  // namespace multiprocessing::test
