// SPDX-License-Identifier: BSL-1.0
// Workers killed at any instruction: what one had begun is lost, once, everything else goes on, and
// no memory is lost. And what a killed parent leaves.
#include <type_traits>

#include "bare_pool.hpp"
#include "step_killer.hpp"

namespace multiprocessing::test {
namespace {

// The first one outgrows the slot, the next one the parcel.
std::string write_much(int item) {
  note_run(item);
  return std::string(item == 0 ? 300 : 4000, 'x');
}
// So large that its room is made before it is written.
const std::string kLarge(5000, 'y');
std::string write_at_once(int item) {
  note_run(item);
  return kLarge;
}
Event make_handle(int item) {
  note_run(item);
  return Event();
}

bool is_right(int item, int result) { return result == item * item; }
bool is_right(int item, const std::string& result) {
  return result == kLarge || result == std::string(item == 0 ? 300 : 4000, 'x');
}
bool is_right(int /*item*/, const Event& result) { return !result.is_set(); }

// Of operations of which each takes long, or that have very many instructions.
constexpr Kills kFewKills{.usual = 60, .every = 5};

class PoolUnderKills : public BarePoolTest {
 protected:
  // Another worker ends what is left.
  void expect_the_rest_ends() {
    memory::note_death();
    bury(kVictim);
    board().stop = 1;
    if (desk().outstanding() != 0) {
      EXPECT_EQ(in_child([this] { work(kSurvivor); }), 0);
    }
    desk().collect();
    EXPECT_EQ(desk().outstanding(), 0U);
  }

  // Every item was run once or, one of them, is lost; says how many are lost.
  template <class R> static int expect_results(detail::StreamJob<R>& job, int first, int count) {
    using Job = detail::StreamJob<R>;
    EXPECT_EQ(job.items_ended(), static_cast<std::size_t>(count));
    int lost = 0;
    for (int item = first; item < first + count; ++item) {
      const int ran = runs()[static_cast<std::size_t>(item)];
      typename Job::Item result;
      const auto there = job.next(static_cast<std::size_t>(count), result, 0s);
      EXPECT_EQ(there, Job::Next::kItem) << "item " << item;
      if (there != Job::Next::kItem) return lost;
      if (result.index() == 1) {
        EXPECT_TRUE(is_right(item, std::get<1>(result)));
        EXPECT_EQ(ran, 1) << "item " << item;
      } else {
        ++lost;
        EXPECT_THROW(std::rethrow_exception(std::get<0>(result)), WorkerLost);
        EXPECT_LE(ran, 1) << "item " << item;
      }
    }
    EXPECT_LE(lost, 1);
    return lost;
  }

  // Kills a worker that does a chunk of two items, and a task of one where that is quick.
  template <class R> void kill_at_work(R (*function)(int), Arguments how) {
    std::shared_ptr<detail::StreamJob<R>> chunk;
    std::shared_ptr<detail::StreamJob<int>> next;
    int lost = 0;
    const auto report = kill_at_every_step({.arrange =
                                                [&] {
                                                  make(true);
                                                  chunk = hand_out(function, 0, 2, how);
                                                  if (std::is_same_v<R, int>)
                                                    next = hand_out(note_run, 2, 1);
                                                },
                                            .approach = [] { memory::self(); },
                                            .act = [&] { work(kVictim); },
                                            .check =
                                                [&] {
                                                  expect_the_rest_ends();
                                                  const int of_chunk = expect_results(*chunk, 0, 2);
                                                  const int of_next =
                                                      next ? expect_results(*next, 2, 1) : 0;
                                                  EXPECT_LE(of_chunk + of_next, 1);
                                                  lost += of_chunk + of_next;
                                                  chunk.reset();
                                                  next.reset();
                                                  end();
                                                }},
                                           {.usual = 100, .every = std::is_same_v<R, int> ? 1 : 5});
    EXPECT_GT(report.kills, 20);
    EXPECT_FALSE(report.blocked);
    EXPECT_GT(lost, 0);
    EXPECT_LT(lost, report.kills);
  }
};

TEST_F(PoolUnderKills, ResultsInTheSlot) { kill_at_work(note_run, Arguments::kInline); }
TEST_F(PoolUnderKills, ArgumentsInAParcel) { kill_at_work(note_run, Arguments::kParcel); }
TEST_F(PoolUnderKills, ResultsThatMoveToAParcelAndToALargerOne) {
  kill_at_work(write_much, Arguments::kInline);
}
TEST_F(PoolUnderKills, LargeResults) { kill_at_work(write_at_once, Arguments::kInline); }
TEST_F(PoolUnderKills, ResultsWithHandles) { kill_at_work(make_handle, Arguments::kInline); }

// The task comes while the victim stands where it is killed, so that it takes none.
TEST_F(PoolUnderKills, AWorkerOnItsWayToSleepLeavesWhatComesToTheNextOne) {
  bool followed = false;
  std::shared_ptr<detail::StreamJob<int>> job;
  const auto report = kill_at_every_step({.arrange = [&] { make(false); },
                                          .approach = [] { memory::self(); },
                                          .act = [&] { work(kVictim); },
                                          .meanwhile =
                                              [&] {
                                                if (!followed) return;
                                                job = hand_out(note_run, 0, 2);
                                                desk().wake_workers();
                                              },
                                          .check =
                                              [&] {
                                                expect_the_rest_ends();
                                                if (std::exchange(followed, true)) {
                                                  EXPECT_EQ(expect_results(*job, 0, 2), 0);
                                                }
                                                job.reset();
                                                end();
                                              }},
                                         {.usual = 60});
  EXPECT_GT(report.kills, 20);
  EXPECT_TRUE(report.blocked);
}

TEST_F(PoolUnderKills, AWorkerOnItsWayToSleepKeepsNoOtherOneAsleep) {
  bool followed = false;
  std::shared_ptr<detail::StreamJob<int>> job;
  std::unique_ptr<Child> sleeper;
  const auto report = kill_at_every_step(
      {.arrange =
           [&] {
             make(false);
             sleeper = std::make_unique<Child>([this] { work(kSurvivor); });
             ASSERT_TRUE(eventually([&] { return board().idle.sleepers() == 1; }));
           },
       .approach = [] { memory::self(); },
       .act = [&] { work(kVictim); },
       .meanwhile =
           [&] {
             if (!followed) return;
             job = hand_out(note_run, 0, 1);
             desk().wake_workers();
           },
       .check =
           [&] {
             memory::note_death();
             bury(kVictim);
             const auto all_ended = [&] { return desk().collect(), desk().outstanding() == 0; };
             EXPECT_TRUE(eventually(all_ended));
             if (std::exchange(followed, true)) {
               EXPECT_EQ(expect_results(*job, 0, 1), 0);
             }
             board().stop = 1;
             board().idle.notify_all();
             EXPECT_EQ(sleeper->wait(), 0);
             sleeper.reset();
             job.reset();
             end();
           }},
      {.usual = 60});
  EXPECT_GT(report.kills, 20);
  EXPECT_TRUE(report.blocked);
}

TEST_F(PoolUnderKills, ATaskThatKillsTwoWorkersIsNotTriedAThirdTime) {
  make(true);
  const auto job = hand_out(note_run, 0, 1);
  for (const Ticket ticket : {kVictim, kSurvivor}) {
    EXPECT_EQ(desk().outstanding(), 1U);
    EXPECT_NE(claim_task(board(), ticket).slot, nullptr);
    bury(ticket);
  }
  EXPECT_EQ(desk().outstanding(), 0U);
  EXPECT_EQ(expect_results(*job, 0, 1), 1);
  EXPECT_EQ(claim_task(board(), kVictim).slot, nullptr);
  end();
}

TEST_F(PoolUnderKills, AnErrorOfAnInitializerIsSaidWholeOrNotAtAll) {
  int said = 0;
  const auto report = kill_at_every_step(
      {.arrange = [&] { make(true); },
       .approach = [] { memory::self(); },
       .act =
           [&] {
             report_error(board().worker(0), std::make_exception_ptr(KeyError("no database")));
           },
       .check =
           [&] {
             memory::note_death();
             // What the dead worker had not handed over may be used anew.
             void* const block = memory::allocate(100);
             std::memset(block, 0xff, 100);
             if (const std::exception_ptr error = take_error(board().worker(0))) {
               EXPECT_THROW(std::rethrow_exception(error), KeyError);
               ++said;
             }
             memory::deallocate(block);
             EXPECT_EQ(board().worker(0).error, 0U);
             end();
           }});
  EXPECT_GT(said, 0);
  EXPECT_LT(said, report.kills);
}

// The parent is the victim now; all that the test does is to let go of the board.
class ParentOfAPoolUnderKills : public PoolUnderKills {
 protected:
  void kill_parent(const std::function<void()>& approach, const std::function<void()>& act) {
    const auto report = kill_at_every_step({.arrange = [&] { make(true); },
                                            .approach =
                                                [&] {
                                                  memory::self();
                                                  approach();
                                                },
                                            .act = act,
                                            .check = [&] { end(); }},
                                           kFewKills);
    EXPECT_GT(report.kills, 20);
    EXPECT_FALSE(report.blocked);
  }
};

TEST_F(ParentOfAPoolUnderKills, WhenItHandsOutTasks) {
  kill_parent([] {},
              [&] {
                hand_out(note_run, 0, 2);
                hand_out(make_handle, 0, 1, Arguments::kParcel);
              });
}

TEST_F(ParentOfAPoolUnderKills, WhenItTakesResults) {
  kill_parent(
      [&] {
        hand_out(note_run, 0, 2);
        hand_out(make_handle, 0, 1, Arguments::kParcel);
        work(kVictim);
      },
      [&] { desk().collect(); });
}

TEST_F(ParentOfAPoolUnderKills, WhenItTakesATaskBack) {
  std::shared_ptr<detail::Job> job;
  kill_parent([&] { job = hand_out(note_run, 0, 2, Arguments::kParcel); },
              [&] { EXPECT_TRUE(desk().take_back(*job)); });
}

// Dies in the second one of its items, whose results lie in a parcel.
Event make_handle_and_die(int item) {
  if (item == 1) ::raise(SIGKILL);
  return Event();
}

TEST_F(ParentOfAPoolUnderKills, WhenItBuriesAWorker) {
  kill_parent(
      [&] {
        hand_out(make_handle_and_die, 0, 3, Arguments::kParcel);
        EXPECT_EQ(in_child([&] { work(kVictim); }), -SIGKILL);
      },
      [&] { bury(kVictim); });
}

TEST_F(ParentOfAPoolUnderKills, WhenItEndsThePool) {
  kill_at_every_step({.approach =
                          [&] {
                            make(true);
                            hand_out(note_run, 0, 2);
                            hand_out(make_handle, 0, 1, Arguments::kParcel);
                            work(kVictim);
                            hand_out(make_handle, 0, 1, Arguments::kParcel);
                            report_error(board().worker(0),
                                         std::make_exception_ptr(KeyError("no database")));
                            forget_desk();
                          },
                      .act = [&] { let_go(); },
                      .check =
                          [&] {
                            while (memory::sweep() != 0) {
                            }
                            end();
                          }},
                     kFewKills);
}

}  // namespace
}  // namespace multiprocessing::test
