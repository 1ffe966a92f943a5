// SPDX-License-Identifier: BSL-1.0
// The parent's tasks and the workers' line, without processes where these are not the matter.
#include <set>
#include <thread>

#include "bare_pool.hpp"
#include "traced_process.hpp"

namespace multiprocessing::test {
namespace {

class DeskTest : public BarePoolTest {
 protected:
  Claim claim(Ticket ticket) const { return claim_task(board(), ticket); }

  // The error of a stream's next item.
  template <class E> static void expect_error(detail::StreamJob<int>& job, std::size_t items) {
    detail::StreamJob<int>::Item item;
    ASSERT_EQ(job.next(items, item, 0s), detail::StreamJob<int>::Next::kItem);
    ASSERT_EQ(item.index(), 0U);
    EXPECT_THROW(std::rethrow_exception(std::get<0>(item)), E);
  }

  // One sleeper is counted, who sleeps no more: the next wake is seen in the count, and in nothing
  // else.
  void leave_a_dead_sleeper() const {
    Child sleeper([this] { board().idle.wait([] { return false; }, os::Deadline::never()); });
    ASSERT_TRUE(eventually([&] { return board().idle.sleepers() == 1; }));
    sleeper.kill();
    ASSERT_EQ(board().idle.sleepers(), 1U);
  }
};

TEST_F(DeskTest, AWorkerThatStopsLookingAtAnyMomentLeavesNoOtherOneAsleep) {
  const int stride = rounds(17, 1);
  bool more = true;
  for (int steps = 0; more; steps += stride) {
    make(false);
    leave_a_dead_sleeper();
    board().worker(0).looking = 1;
    auto first = hand_out(note_run, 0, 1);
    {
      TracedProcess parent([this] { hand_out(note_run, 1, 1); }, [this] { desk().wake_workers(); });
      for (int i = 0; i < steps && more; ++i) {
        more = parent.step() == TracedProcess::State::kStopped;
      }
      board().worker(0).looking = 0;
      EXPECT_NE(claim(kVictim).slot, nullptr);
      while (more && parent.next_system_call() == TracedProcess::State::kStopped) {
      }
    }
    EXPECT_EQ(board().idle.sleepers(), 0U) << "after " << steps << " steps of who hands out";
    if (HasFailure()) more = false;
    first.reset();
    end();
  }
}

TEST_F(DeskTest, WhoIsLostAfterAnotherItemRanTooLongIsLostAndNotLate) {
  make(true);
  const auto job = hand_out(note_run, 0, 2, Arguments::kInline, 1'000'000'000);
  const Claim late = claim(kVictim);
  late.slot->progress = progress_of(late.issue, 1) | kExpired;
  bury(kVictim);
  expect_error<TimeoutError>(*job, 2);

  for (const Ticket ticket : {3U, 4U}) {
    ASSERT_NE(claim(ticket).slot, nullptr);
    desk().bury({ticket, 4711, -SIGKILL});
  }

  expect_error<WorkerLost>(*job, 2);
  EXPECT_EQ(desk().outstanding(), 0U);
  end();
}

TEST_F(DeskTest, TheEndOfAPoolWhoseLineIsFullFreesEachSlotOnce) {
  make(true);
  const auto chunk = hand_out(note_run, 0, 2);
  const Claim begun = claim(kVictim);
  begun.slot->progress = progress_of(begun.issue, 1);
  const auto next = hand_out(note_run, 2, 1);
  for (std::uint32_t i = 1; i < board().slots; ++i) {
    EXPECT_TRUE(desk().take_back(*hand_out(note_run, 3, 1)));
  }
  // There is no room in the line for what is left of the chunk.
  bury(kVictim);
  EXPECT_EQ(desk().outstanding(), 2U);

  desk().fail_all(std::make_exception_ptr(BrokenProcessPool("over")));

  EXPECT_EQ(desk().outstanding(), 0U);
  EXPECT_EQ(chunk->items_ended(), 2U);
  EXPECT_EQ(next->items_ended(), 1U);
  EXPECT_EQ(claim(kSurvivor).slot, nullptr);
  std::set<TaskSlot*> slots;
  std::vector<std::shared_ptr<detail::Job>> jobs;
  for (std::uint32_t i = 0; i < board().slots; ++i) {
    jobs.push_back(hand_out(note_run, 4, 1));
    EXPECT_TRUE(slots.insert(claim(kSurvivor).slot).second);
  }
  end();
}

TEST_F(DeskTest, WhatComesOrIsTakenBackWhileAllFailsEndsOnce) {
  make(true);
  const auto error = std::make_exception_ptr(BrokenProcessPool("over"));
  std::atomic<bool> over{false};
  std::thread failing([&] {
    while (!over) desk().fail_all(error);
  });
  std::size_t taken_back = 0;
  std::vector<std::shared_ptr<detail::Job>> jobs;
  for (int i = 0; i < rounds(20'000, 1'000'000); ++i) {
    auto job = std::make_shared<detail::VoidJob>(nullptr);
    Task task;
    task.job = job;
    task.count = 1;
    while (!desk().hand_out_now(task, {})) std::this_thread::yield();
    if (i % 2 == 0 && desk().take_back(*job)) {
      ++taken_back;
      job->note_cancelled(0, 1);
    }
    jobs.push_back(std::move(job));
  }
  over = true;
  failing.join();
  desk().fail_all(error);

  EXPECT_EQ(desk().outstanding(), 0U);
  RecordProperty("taken back", static_cast<int>(taken_back));
  for (const auto& job : jobs) ASSERT_EQ(job->items_ended(), 1U);
  end();
}

}  // namespace
}  // namespace multiprocessing::test
