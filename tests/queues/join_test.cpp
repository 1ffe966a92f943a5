// SPDX-License-Identifier: BSL-1.0
// JoinableQueue: which items are finished, and which are lost with a killed process.
#include <unistd.h>

#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "channel.hpp"
#include "queue_test.hpp"
#include "step_killer.hpp"

namespace multiprocessing::test {
namespace {

using JoinTest = QueueTest;

TEST_F(JoinTest, AQueueThatWasNeverPutToIsJoinedAtOnce) {
  const mp::JoinableQueue<int> q;
  EXPECT_TRUE(q.join(0s));
  q.join();
}

TEST_F(JoinTest, JoinWaitsUntilEveryItemIsMarkedAsDone) {
  const mp::JoinableQueue<int> q;
  q.put(1);
  q.put(2);
  EXPECT_FALSE(q.join(5ms));
  EXPECT_EQ(q.get(), 1);
  EXPECT_EQ(q.get(), 2);
  EXPECT_FALSE(q.join(0s));
  q.task_done();
  EXPECT_FALSE(q.join(5ms));
  q.task_done();
  EXPECT_TRUE(q.join(0s));
}

TEST_F(JoinTest, FourWorkersFinishTenTasks) {
  const mp::JoinableQueue<int> q;
  std::vector<Child> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      while (q.get() >= 0) q.task_done();
      q.task_done();
    });
  }
  for (int i = 0; i < 10; ++i) q.put(i);
  EXPECT_TRUE(q.join(20s));
  for (int i = 0; i < 4; ++i) q.put(-1);
  for (Child& worker : workers) EXPECT_EQ(worker.wait(), 0);
  EXPECT_TRUE(q.join(0s));
}

TEST_F(JoinTest, TaskDoneTooOftenIsAValueError) {
  const mp::JoinableQueue<int> q;
  EXPECT_THROW(q.task_done(), mp::ValueError);
  q.put(1);
  q.task_done();  // not taken yet: Python counts puts, too
  EXPECT_THROW(q.task_done(), mp::ValueError);
  EXPECT_EQ(q.get(), 1);
  EXPECT_THROW(q.task_done(), mp::ValueError);
  EXPECT_TRUE(q.join(0s));
}

TEST_F(JoinTest, AnyProcessMayMarkAnItemAsDone) {
  const mp::JoinableQueue<int> q;
  q.put(1);
  q.put(2);
  Child taker([&] {
    for (int i = 0; i < 2; ++i) static_cast<void>(q.get());
    for (;;) ::pause();
  });
  ASSERT_TRUE(eventually([&] { return q.empty(); }));
  q.task_done();
  EXPECT_EQ(in_child([&] { q.task_done(); }), 0);
  EXPECT_TRUE(q.join(1s));
  taker.kill();
  EXPECT_TRUE(q.join(1s));
}

TEST_F(JoinTest, EveryJoinerIsWoken) {
  const mp::JoinableQueue<int> q;
  q.put(1);
  std::vector<Child> joiners;
  for (int i = 0; i < 3; ++i) {
    joiners.emplace_back([&] { return q.join(20s); });
  }
  EXPECT_EQ(q.get(), 1);
  q.task_done();
  for (Child& joiner : joiners) EXPECT_EQ(joiner.wait(), 0);
}

TEST_F(JoinTest, ItemsOfAKilledProcessAreToldAndNotWaitedFor) {
  const mp::JoinableQueue<int> q;
  for (int i = 0; i < 5; ++i) q.put(i);
  Child taker([&] {
    memory::set_own_name("Taker-1");
    for (int i = 0; i < 3; ++i) static_cast<void>(q.get());
    q.task_done();
    for (;;) ::pause();
  });
  const pid_t pid = taker.pid();
  ASSERT_TRUE(eventually([&] { return q.qsize() == 2; }));
  EXPECT_FALSE(q.join(20ms));
  std::thread killer([&] { taker.kill(); });
  try {
    q.join();
    ADD_FAILURE();
  } catch (const mp::OwnerDiedError& error) {
    // Whether it marked the one before it died is up to chance.
    EXPECT_GE(error.lost(), 2U);
    EXPECT_LE(error.lost(), 3U);
    EXPECT_EQ(error.pid(), pid);
    EXPECT_EQ(error.name(), "Taker-1");
    EXPECT_NE(std::string(error.what()).find("JoinableQueue"), std::string::npos);
  }
  killer.join();
  EXPECT_FALSE(q.join(5ms));
  for (int i = 0; i < 2; ++i) {
    static_cast<void>(q.get());
    q.task_done();
  }
  EXPECT_TRUE(q.join(1s));
}

TEST_F(JoinTest, EveryJoinerThatWaitsIsToldOfADeath) {
  const mp::JoinableQueue<int> q;
  q.put(1);
  Child taker([&] {
    static_cast<void>(q.get());
    for (;;) ::pause();
  });
  ASSERT_TRUE(eventually([&] { return q.empty(); }));
  const auto is_told = [&] {
    try {
      q.join();
    } catch (const mp::OwnerDiedError& error) {
      return error.lost() == 1;
    }
    return false;
  };
  std::vector<Child> joiners;
  for (int i = 0; i < 3; ++i) joiners.emplace_back(is_told);
  ASSERT_TRUE(eventually([&] {
    // All three are asleep in join() before the taker dies.
    return static_cast<queues::QueueObject*>(detail::HandleAccess::get(q).get())
               ->ledger()
               ->gate.sleepers() == 3;
  }));
  taker.kill();
  for (Child& joiner : joiners) EXPECT_EQ(joiner.wait(), 0);
  EXPECT_TRUE(q.join(0s));
}

TEST_F(JoinTest, AJoinThatNobodyWaitedInIsToldLater) {
  const mp::JoinableQueue<int> q;
  q.put(1);
  EXPECT_EQ(in_child([&] { return q.get() == 1; }), 0);
  EXPECT_THROW(q.join(), mp::OwnerDiedError);
  EXPECT_TRUE(q.join(0s));
}

TEST_F(JoinTest, AJoinableQueueIsAQueue) {
  const mp::JoinableQueue<int> q(2);
  const auto produce = [](const mp::Queue<int>& queue) { queue.put(7); };
  produce(q);
  EXPECT_EQ(in_child([&] {
              const bool right = q.get() == 7;
              q.task_done();
              return right;
            }),
            0);
  EXPECT_TRUE(q.join(0s));
}

// Kills in `act` with three items put and one of them taken before; then all is accounted for.
void kill_beside_items(const std::function<void(const mp::JoinableQueue<int>&)>& act) {
  std::optional<mp::JoinableQueue<int>> q;
  kill_at_every_step({.arrange =
                          [&] {
                            q.emplace();
                            for (int i = 0; i < 3; ++i) q->put(i);
                          },
                      .approach = [&] { EXPECT_EQ(q->get(), 0); },
                      .act = [&] { act(*q); },
                      .check =
                          [&] {
                            std::size_t lost = 0;
                            std::size_t done = 0;
                            for (; !q->empty(); ++done) {
                              static_cast<void>(q->get());
                              q->task_done();
                            }
                            try {
                              EXPECT_TRUE(q->join(2s));
                            } catch (const mp::OwnerDiedError& error) {
                              lost = error.lost();
                            }
                            EXPECT_GE(done, 1U);
                            EXPECT_LE(done + lost, 3U);
                            EXPECT_GE(done + lost, 2U);
                            EXPECT_TRUE(q->join(2s));
                            EXPECT_THROW(q->task_done(), mp::ValueError);
                          }});
}

TEST_F(JoinTest, AKillInGetLosesNoItemUntold) {
  kill_beside_items([](const auto& q) { static_cast<void>(q.get()); });
}

TEST_F(JoinTest, AKillInTaskDoneLosesNoItemUntold) {
  kill_beside_items([](const auto& q) { q.task_done(); });
}

TEST_F(JoinTest, AKillInJoinHarmsNobody) {
  kill_beside_items([](const auto& q) { q.join(1ms); });
}

// The victim writes off what another dead process had taken.
TEST_F(JoinTest, AKillInAJoinThatIsToldLosesNoItemUntold) {
  std::optional<mp::JoinableQueue<int>> q;
  kill_at_every_step({.arrange =
                          [&] {
                            q.emplace();
                            q->put(1);
                            in_child([&] { static_cast<void>(q->get()); });
                          },
                      .approach = [] { memory::self(); },
                      .act =
                          [&] {
                            try {
                              q->join();
                            } catch (const mp::OwnerDiedError&) {
                            }
                          },
                      .check =
                          [&] {
                            try {
                              EXPECT_TRUE(q->join(2s));
                            } catch (const mp::OwnerDiedError& error) {
                              EXPECT_EQ(error.lost(), 1U);
                            }
                            EXPECT_TRUE(q->join(2s));
                            EXPECT_THROW(q->task_done(), mp::ValueError);
                          }});
}

// The victim has taken two items, and tells that one of them was for another that has ended.
TEST_F(JoinTest, AKillWhileItTellsOfAnItemThatAnotherHadLosesNoneUntold) {
  std::optional<mp::JoinableQueue<int>> q;
  kill_at_every_step(
      {.arrange =
           [&] {
             q.emplace();
             q->put(1);
             q->put(2);
           },
       .approach =
           [&] {
             static_cast<void>(q->get());
             static_cast<void>(q->get());
           },
       .act = [&] { detail::lose_items(detail::HandleAccess::get(*q), 1, 4711, "another"); },
       .check =
           [&] {
             std::size_t lost = 0;
             for (bool joined = false; !joined && !HasFailure();) {
               try {
                 joined = q->join(2s);
                 EXPECT_TRUE(joined);
               } catch (const mp::OwnerDiedError& error) {
                 lost += error.lost();
               }
             }
             EXPECT_EQ(lost, 2U);
             EXPECT_THROW(q->task_done(), mp::ValueError);
           }});
}

TEST_F(JoinTest, WhoWaitsIsToldOfAnItemThatWasLostForAnother) {
  const mp::JoinableQueue<int> q;
  q.put(1);
  q.put(2);
  Child joins([&] {
    try {
      q.join();
    } catch (const mp::OwnerDiedError& error) {
      return error.pid() == 4711 && error.name() == "another" && error.lost() == 1 ? 0 : 1;
    }
    return 2;
  });
  EXPECT_EQ(q.get(), 1);

  detail::lose_items(detail::HandleAccess::get(q), 1, 4711, "another");

  EXPECT_EQ(joins.wait(), 0);
  EXPECT_EQ(q.get(), 2);
  q.task_done();
  EXPECT_TRUE(q.join(0s));
}

TEST_F(JoinTest, AnItemThatAnotherProcessHasMarkedIsNotLostWithWhomItWasTakenFor) {
  const mp::JoinableQueue<int> q;
  q.put(1);
  q.put(2);
  EXPECT_EQ(q.get(), 1);
  EXPECT_EQ(in_child([&] { q.task_done(); }), 0);

  detail::lose_items(detail::HandleAccess::get(q), 1, 4711, "another");

  EXPECT_FALSE(q.join(0s));
  EXPECT_EQ(q.get(), 2);
  q.task_done();
  EXPECT_TRUE(q.join(0s));
}

}  // namespace
}  // namespace multiprocessing::test
