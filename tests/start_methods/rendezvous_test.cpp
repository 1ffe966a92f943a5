// SPDX-License-Identifier: BSL-1.0
// Event, Condition and Barrier.
#include <numeric>
#include <set>

#include "across_processes.hpp"

namespace multiprocessing::test {
namespace {

using RendezvousAcross = AcrossProcesses;
BY_EVERY_START_METHOD(RendezvousAcross);

TEST_P(RendezvousAcross, AnEventWakesAllWhoWait) {
  Event event = ctx.Event();
  Semaphore waiting = ctx.Semaphore(0);
  const auto processes = start_many(
      3,
      [](const Event& mine, Semaphore told) {
        check(!mine.is_set() && !mine.wait(1ms));
        told.release();
        check(mine.wait(30s) && mine.is_set());
      },
      event, waiting);
  EXPECT_TRUE(waiting.acquire_many(3, 30s));
  event.set();
  expect_good_ends(processes);
}

TEST_P(RendezvousAcross, AChildSetsAndClearsAnEvent) {
  Event event = ctx.Event();
  const Process setter = start([](Event mine) { mine.set(); }, event);
  EXPECT_TRUE(event.wait(30s));
  EXPECT_EQ(end_of(setter), 0);
  EXPECT_EQ(run([](Event mine) { mine.clear(); }, event), 0);
  EXPECT_FALSE(event.is_set());
}

TEST_P(RendezvousAcross, AKilledWaiterDoesNotHinderAnEvent) {
  Event event = ctx.Event();
  Semaphore waiting = ctx.Semaphore(0);
  const auto wait = [](const Event& mine, Semaphore told) {
    told.release();
    check(mine.wait(30s));
  };
  Process killed = start(wait, event, waiting);
  const Process woken = start(wait, event, waiting);
  EXPECT_TRUE(waiting.acquire_many(2, 30s));
  killed.kill();
  EXPECT_EQ(end_of(killed), -SIGKILL);
  event.set();
  EXPECT_EQ(end_of(woken), 0);
}

void wait_and_count(Condition condition, const RawValue<int>& sleeping,
                    const RawValue<int>& woken) {
  const std::scoped_lock guard(condition);
  ++sleeping.value();
  check(condition.wait(30s));
  ++woken.value();
}

int read(Condition& condition, const RawValue<int>& value) {
  const std::scoped_lock guard(condition);
  return value.value();
}

TEST_P(RendezvousAcross, NotifyWakesAsManyAsItSays) {
  Condition condition = ctx.Condition();
  const auto sleeping = ctx.RawValue<int>(0);
  const auto woken = ctx.RawValue<int>(0);
  const auto processes = start_many(3, wait_and_count, condition, sleeping, woken);
  ASSERT_TRUE(eventually([&] { return read(condition, sleeping) == 3; }, 30s));
  {
    const std::scoped_lock guard(condition);
    condition.notify(2);
  }
  ASSERT_TRUE(eventually([&] { return read(condition, woken) == 2; }, 30s));
  std::this_thread::sleep_for(30ms);
  EXPECT_EQ(read(condition, woken), 2);
  {
    const std::scoped_lock guard(condition);
    condition.notify_all();
  }
  expect_good_ends(processes);
}

TEST_P(RendezvousAcross, NotifyIsNotSpentOnAKilledWaiter) {
  Condition condition = ctx.Condition();
  const auto sleeping = ctx.RawValue<int>(0);
  const auto woken = ctx.RawValue<int>(0);
  Process killed = start(wait_and_count, condition, sleeping, woken);
  ASSERT_TRUE(eventually([&] { return read(condition, sleeping) == 1; }, 30s));
  const Process waits = start(wait_and_count, condition, sleeping, woken);
  ASSERT_TRUE(eventually([&] { return read(condition, sleeping) == 2; }, 30s));
  killed.kill();
  EXPECT_EQ(end_of(killed), -SIGKILL);
  {
    const std::scoped_lock guard(condition);
    condition.notify(1);
  }
  EXPECT_EQ(end_of(waits), 0);
}

TEST_P(RendezvousAcross, AChildWaitsForAStateUnderALockOfTheParents) {
  Lock lock = ctx.Lock();
  Condition condition = ctx.Condition(lock);
  const auto state = ctx.RawValue<int>(0);
  const Process process = start(
      [](Condition mine, const RawValue<int>& value) {
        const std::scoped_lock guard(mine);
        check(!mine.wait_for([&] { return value.value() == 99; }, 20ms));
        check(mine.wait_for([&] { return value.value() == 4; }, 30s));
        value.value() = 5;
        mine.notify();
      },
      condition, state);
  for (int i = 1; i <= 4; ++i) {
    const std::scoped_lock guard(lock);
    state.value() = i;
    condition.notify();
  }
  {
    const std::scoped_lock guard(condition);
    EXPECT_TRUE(condition.wait_for([&] { return state.value() == 5; }, 30s));
  }
  EXPECT_EQ(end_of(process), 0);
}

TEST_P(RendezvousAcross, ABarrierGathersAllRoundForRound) {
  Barrier barrier = ctx.Barrier(3);
  const auto places = ctx.Queue<std::pair<int, int>>();
  const auto processes = start_many(
      2,
      [](Barrier mine, const Queue<std::pair<int, int>>& to) {
        for (int round = 0; round < 20; ++round) to.put({round, mine.wait(30s)});
      },
      barrier, places);
  std::vector<std::set<int>> seen(20);
  for (int round = 0; round < 20; ++round) seen[round].insert(barrier.wait(30s));
  expect_good_ends(processes);
  for (int i = 0; i < 40; ++i) {
    const auto [round, place] = places.get(30s);
    seen[static_cast<std::size_t>(round)].insert(place);
  }
  EXPECT_EQ(seen, std::vector<std::set<int>>(20, {0, 1, 2}));
}

TEST_P(RendezvousAcross, ABarrierBreaksForAllWhenOneGivesUpOrIsKilled) {
  Barrier barrier = ctx.Barrier(3);
  const auto is_broken = [](Barrier mine) {
    check(throws<BrokenBarrierError>([&] { mine.wait(30s); }));
  };
  const Process waiter = start(is_broken, barrier);
  ASSERT_TRUE(eventually([&] { return barrier.n_waiting() == 1; }, 30s));
  EXPECT_EQ(run([](Barrier mine) { mine.abort(); }, barrier), 0);
  EXPECT_EQ(end_of(waiter), 0);
  EXPECT_TRUE(barrier.broken());

  barrier.reset();
  const Process other = start(is_broken, barrier);
  Process killed = start([](Barrier mine) { mine.wait(); }, barrier);
  ASSERT_TRUE(eventually([&] { return barrier.n_waiting() == 2; }, 30s));
  killed.kill();
  EXPECT_EQ(end_of(other), 0);
  EXPECT_THROW(barrier.wait(30s), BrokenBarrierError);
}

TEST_P(RendezvousAcross, ABarrierWhoseTimeIsOverIsBrokenEverywhere) {
  Barrier barrier = ctx.Barrier(2, 20ms);
  EXPECT_EQ(
      run([](Barrier mine) { check(throws<BrokenBarrierError>([&] { mine.wait(); })); }, barrier),
      0);
  EXPECT_THROW(barrier.wait(), BrokenBarrierError);
}

TEST_P(RendezvousAcross, TheyTravelInMessages) {
  const auto objects = ctx.Queue<std::tuple<Event, Condition, Barrier>>();
  const Process process = start(
      [](const Queue<std::tuple<Event, Condition, Barrier>>& from) {
        auto [event, condition, barrier] = from.get(30s);
        const std::scoped_lock guard(condition);
        event.set();
        check(condition.wait(30s));
        barrier.wait(30s);
      },
      objects);
  Event event = ctx.Event();
  Condition condition = ctx.Condition();
  Barrier barrier = ctx.Barrier(2);
  objects.put({event, condition, barrier});
  EXPECT_TRUE(event.wait(30s));
  {
    const std::scoped_lock guard(condition);
    condition.notify();
  }
  barrier.wait(30s);
  EXPECT_EQ(end_of(process), 0);
}

}  // namespace
}  // namespace multiprocessing::test
