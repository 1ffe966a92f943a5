// SPDX-License-Identifier: BSL-1.0
// Values and Arrays of the program, and simple queues, that clients reach through a server.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/managers.hpp>
#include <multiprocessing/partial.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/sharedctypes.hpp>
#include <string>
#include <thread>
#include <vector>

#include "child.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;

struct Point {
  double x = 0;
  double y = 0;
  friend bool operator==(const Point&, const Point&) = default;
};

class SharedValueTest : public testing::Test {
 protected:
  SharedValueTest() {
    manager_.register_callable("number", [number = number_] { return number; });
    manager_.register_callable("point", [point = point_] { return point; });
    manager_.register_callable("array", [array = array_] { return array; });
    manager_.register_callable("raw", [raw = raw_] { return raw; });
    manager_.register_callable("queue", [queue = queue_] { return queue; });
    manager_.start();
  }

  test::Watchdog watchdog_{60s};
  Value<int> number_{6};
  RawValue<Point> point_;
  Array<int> array_{1, 2, 3};
  RawArray<double> raw_{0.5, 1.5};
  SimpleQueue<std::string> queue_;
  SyncManager manager_;
};

TEST(HoldOfSharedTest, MayHaveBeenReleasedByAnother) {
  Lock lock;
  Value<int> value(with_lock(lock), 1);
  value.acquire();
  {
    const detail::HoldOfShared hold(value);
    lock.release();
  }
  EXPECT_FALSE(lock.locked());
}

TEST_F(SharedValueTest, AValueIsTheProgramsOwn) {
  const auto proxy = manager_.call<ValueProxy<int>>("number");
  EXPECT_EQ(proxy.get(), 6);
  EXPECT_EQ(proxy.str(), "Value(6)");

  proxy.set(7);
  EXPECT_EQ(number_.value(), 7);
  number_.value() = 8;
  EXPECT_EQ(proxy.value(), 8);

  const auto point = manager_.call<ValueProxy<Point>>("point");
  point.set({1, 2});
  EXPECT_EQ(point_.value(), (Point{1, 2}));
  EXPECT_EQ(point.get(), (Point{1, 2}));
}

TEST_F(SharedValueTest, AnArrayIsTheProgramsOwn) {
  const auto proxy = manager_.call<ArrayProxy<int>>("array");
  EXPECT_EQ(proxy.size(), 3U);
  EXPECT_EQ(proxy.str(), "array('i', [1, 2, 3])");
  proxy[-1] = 30;
  EXPECT_EQ(array_[2], 30);
  EXPECT_EQ(proxy.slice(1, 3), (std::vector<int>{2, 30}));
  EXPECT_THROW(static_cast<void>(proxy.at(3)), IndexError);

  const auto raw = manager_.call<ArrayProxy<double>>("raw");
  raw[0] = 2.5;
  EXPECT_EQ(raw.copy(), (std::vector<double>{2.5, 1.5}));
  EXPECT_EQ(raw_[0], 2.5);
}

TEST_F(SharedValueTest, AProxyWaitsForTheLockOfTheData) {
  const auto proxy = manager_.call<ValueProxy<int>>("number");
  std::thread client;
  {
    const std::scoped_lock guard(number_);
    client = std::thread([&] { proxy.set(9); });
    std::this_thread::sleep_for(150ms);  // longer than one slice of its wait, as a rule
    EXPECT_EQ(number_.value(), 6);
    EXPECT_EQ(proxy.str(), "<Value object>");
  }
  client.join();

  EXPECT_EQ(number_.value(), 9);
}

TEST_F(SharedValueTest, AProxyIsToldOfADeadProcessThatHeldTheLock) {
  const auto proxy = manager_.call<ArrayProxy<int>>("array");
  EXPECT_EQ(test::in_child([&] {
              array_.acquire();
              ::raise(SIGKILL);
            }),
            -SIGKILL);

  EXPECT_THROW(proxy[0] = 5, OwnerDiedError);
  EXPECT_EQ(proxy.str(), "<Array object>");

  array_.get_lock().make_consistent();
  proxy[0] = 5;
  EXPECT_EQ(array_[0], 5);
}

TEST_F(SharedValueTest, AProxyOfAnotherTypeIsATypeError) {
  EXPECT_THROW(static_cast<void>(manager_.call<ValueProxy<std::string>>("number").get()),
               TypeError);
  EXPECT_THROW(manager_.call<ArrayProxy<std::string>>("array")[0] = "x", TypeError);
}

int add(Value<int> to, int number) { return to.value() += number; }

TEST_F(SharedValueTest, APartialFunctionIsACallableForItsOtherArguments) {
  SyncManager manager;
  manager.register_callable("add", partial(add, number_));
  manager.register_callable("seven", partial(add, number_, 1));
  manager.start();

  EXPECT_EQ(manager.call<int>("seven"), 7);
  EXPECT_EQ(manager.call<int>("add", 3), 10);
  EXPECT_EQ(number_.value(), 10);
}

TEST_F(SharedValueTest, ASimpleQueueIsReachedAsAQueue) {
  const auto proxy = manager_.call<QueueProxy<std::string>>("queue");

  proxy.put("to the program");
  EXPECT_EQ(queue_.get(20s), "to the program");
  queue_.put("to a client");

  EXPECT_EQ(proxy.get(20s), "to a client");
  EXPECT_TRUE(proxy.empty());
}

}  // namespace
}  // namespace multiprocessing
