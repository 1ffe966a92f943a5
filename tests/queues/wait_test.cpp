// SPDX-License-Identifier: BSL-1.0
// Waiting at a queue: undisturbed, fair, cheap, and never longer than was asked for.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "channel.hpp"
#include "queue_test.hpp"
#include "queues/side_guard.hpp"
#include "signal_storm.hpp"

namespace multiprocessing::test {
namespace {

using WaitTest = QueueTest;

TEST_F(WaitTest, SignalsDisturbNoWait) {
  const mp::Queue<int> q(1);
  const SignalStorm storm;
  const int before = SignalStorm::count();
  const auto start = Clock::now();
  EXPECT_THROW(static_cast<void>(q.get(100ms)), mp::Empty);
  q.put(1);
  EXPECT_THROW(q.put(2, 100ms), mp::Full);
  EXPECT_GE(since(start), 200ms);
  EXPECT_GT(SignalStorm::count(), before + 20);
  Child child([&] { return q.get(10s) + q.get(10s) == 3; });
  q.put(2);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(WaitTest, SignalsDisturbNoJoin) {
  const mp::JoinableQueue<int> q;
  q.put(1);
  const SignalStorm storm;
  const auto start = Clock::now();
  EXPECT_FALSE(q.join(100ms));
  EXPECT_GE(since(start), 100ms);
}

// User and system time of a process, in clock ticks.
long ticks_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 2));
  std::string field;
  for (int i = 3; i < 14; ++i) fields >> field;
  long user = 0;
  long system = 0;
  fields >> user >> system;
  return user + system;
}

int sleepers(const mp::Queue<int>& q) {
  const auto* queue = static_cast<queues::QueueObject*>(detail::HandleAccess::get(q).get());
  return static_cast<int>(queue->producers.gate.sleepers());
}

TEST_F(WaitTest, TenProcessesThatWaitUseNoProcessorTime) {
  const mp::Queue<int> q;
  std::vector<Child> waiters;
  for (int i = 0; i < 10; ++i) {
    waiters.emplace_back([&] { return q.get() == 1; });
  }
  const auto spent = [&] {
    long ticks = 0;
    for (const Child& waiter : waiters) ticks += ticks_of(waiter.pid());
    return ticks;
  };
  // Asleep, that is; then what they use in a second is looked at.
  ASSERT_TRUE(eventually([&] { return sleepers(q) == 10; }));
  const long before = spent();
  std::this_thread::sleep_for(1s);
  const long ticks = spent() - before;
  EXPECT_LE(ticks, ::sysconf(_SC_CLK_TCK) / 50) << "more than 2 % of a processor for all ten";
  for (int i = 0; i < 10; ++i) q.put(1);
  for (Child& waiter : waiters) EXPECT_EQ(waiter.wait(), 0);
}

// For a second, that is: within less it is the kernel that says who runs.
TEST_F(WaitTest, EveryConsumerGetsItsShare) {
  constexpr int kConsumers = 4;
  const mp::Queue<int> q(100);
  const mp::Queue<int> shares;
  std::vector<Child> consumers;
  for (int i = 0; i < kConsumers; ++i) {
    consumers.emplace_back([&] {
      int share = 0;
      while (q.get() != 0) ++share;
      shares.put(share);
    });
  }
  // All of them are there before the first message.
  ASSERT_TRUE(eventually([&] { return sleepers(q) == kConsumers; }));
  int messages = 0;
  for (const auto start = Clock::now(); since(start) < 1s;) {
    for (int i = 0; i < 100; ++i) q.put(1);
    messages += 100;
  }
  for (int i = 0; i < kConsumers; ++i) q.put(0);
  int sum = 0;
  for (int i = 0; i < kConsumers; ++i) {
    const int share = shares.get();
    EXPECT_GT(share, messages / kConsumers / 100);
    sum += share;
  }
  EXPECT_EQ(sum, messages);
}

TEST_F(WaitTest, EveryMessageWakesSomebody) {
  const mp::Queue<int> q;
  const mp::Queue<int> answers;
  std::vector<Child> consumers;
  for (int i = 0; i < 3; ++i) {
    consumers.emplace_back([&] {
      for (;;) answers.put(q.get());
    });
  }
  const auto start = Clock::now();
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 3; ++i) q.put(i);
    for (int i = 0; i < 3; ++i) static_cast<void>(answers.get());
  }
  // A lost wake-up would cost 50 ms each time.
  EXPECT_LT(since(start), 5s);
}

// Somebody is stopped in the midst of a put or a get, as by a debugger.
TEST_F(WaitTest, AStoppedProcessHoldsUpNobodyForLongerThanWasAskedFor) {
  Channel channel(2);
  channel.put("a");
  const mp::Queue<int> ready;
  const Child stopped([&] {
    queues::QueueObject& queue = channel.object();
    const queues::SideGuard putting(queue, queue.producers, queues::settle_producers,
                                    os::Deadline::never());
    const queues::SideGuard getting(queue, queue.consumers, queues::settle_consumers,
                                    os::Deadline::never());
    ready.put(1);
    for (;;) ::pause();
  });
  static_cast<void>(ready.get());
  const auto start = Clock::now();
  EXPECT_FALSE(channel.put("b", 0s));
  EXPECT_FALSE(channel.get(200ms));
  EXPECT_GE(since(start), 200ms);
  EXPECT_LT(since(start), 2s);
  EXPECT_EQ(channel.size(), 1U);
}

TEST_F(WaitTest, AHolderOfTheLockThatIsKilledHoldsUpNobody) {
  Channel channel;
  const mp::Queue<int> ready;
  Child holder([&] {
    queues::QueueObject& queue = channel.object();
    const queues::SideGuard putting(queue, queue.producers, queues::settle_producers,
                                    os::Deadline::never());
    ready.put(1);
    for (;;) ::pause();
  });
  static_cast<void>(ready.get());
  Child producer([&] { return channel.put("a"); });
  holder.kill();
  EXPECT_EQ(channel.get(1s), "a");
  EXPECT_EQ(producer.wait(), 0);
}

}  // namespace
}  // namespace multiprocessing::test
