// SPDX-License-Identifier: BSL-1.0
#include <csignal>
#include <thread>
#include <vector>

#include "signal_storm.hpp"
#include "sync_test.hpp"

namespace {

using namespace multiprocessing::test;

class EventTest : public SyncTest {
 protected:
  mp::Event event_;

  std::vector<Child> start_waiters(int count) {
    std::vector<Child> waiters;
    for (int i = 0; i < count; ++i) waiters.emplace_back([this] { return event_.wait(); });
    std::this_thread::sleep_for(30ms);
    return waiters;
  }
};

TEST_F(EventTest, IsSetAndCleared) {
  EXPECT_FALSE(event_.is_set());
  event_.set();
  EXPECT_TRUE(event_.is_set());
  event_.set();
  EXPECT_TRUE(event_.is_set());
  event_.clear();
  EXPECT_FALSE(event_.is_set());
}

TEST_F(EventTest, WaitSaysWhetherItIsSet) {
  EXPECT_FALSE(event_.wait(0s));
  const auto start = Clock::now();
  EXPECT_FALSE(event_.wait(50ms));
  EXPECT_GE(since(start), 50ms);

  event_.set();

  EXPECT_TRUE(event_.wait(0s));
  EXPECT_TRUE(event_.wait(-1s));
  EXPECT_TRUE(event_.wait());
}

TEST_F(EventTest, IsSharedWithAForkedChild) {
  EXPECT_EQ(in_child([&] { event_.set(); }), 0);

  EXPECT_TRUE(event_.is_set());
}

TEST_F(EventTest, SetWakesAllWaiters) {
  auto waiters = start_waiters(8);

  event_.set();

  for (auto& waiter : waiters) EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(EventTest, AWaiterSeesASetThatIsClearedAtOnce) {
  auto waiters = start_waiters(8);

  event_.set();
  event_.clear();

  for (auto& waiter : waiters) EXPECT_EQ(waiter.wait(), 0);
  EXPECT_FALSE(event_.is_set());
}

TEST_F(EventTest, SurvivesKilledWaiters) {
  auto waiters = start_waiters(6);
  for (std::size_t i = 0; i < 3; ++i) waiters[i].kill();

  event_.set();

  for (std::size_t i = 3; i < 6; ++i) EXPECT_EQ(waiters[i].wait(), 0);
}

TEST_F(EventTest, SignalsDoNotDisturbAWait) {
  Child waiter([&] {
    const SignalStorm storm;
    const auto start = Clock::now();
    return !event_.wait(100ms) && since(start) >= 100ms && event_.wait();
  });
  std::this_thread::sleep_for(150ms);

  event_.set();

  EXPECT_EQ(waiter.wait(), 0);
}

mp::Event* g_event = nullptr;

TEST_F(EventTest, MayBeSetByASignalHandlerOfTheThreadThatWaits) {
  g_event = &event_;
  Child waiter([&] {
    ::signal(SIGUSR1, [](int) { g_event->set(); });
    return event_.wait();
  });
  std::this_thread::sleep_for(50ms);

  waiter.signal(SIGUSR1);

  EXPECT_EQ(waiter.wait(), 0);
}

TEST_F(EventTest, ThreadsMayWaitForIt) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) threads.emplace_back([&] { EXPECT_TRUE(event_.wait()); });

  event_.set();

  for (auto& thread : threads) thread.join();
}

}  // namespace
