// SPDX-License-Identifier: BSL-1.0
// Processes killed at any instruction of a queue's operations: the others go on, no message is torn
// or doubled, none is missing but one in the victim's hands, and no memory is lost.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>

#include "channel.hpp"
#include "child.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "step_killer.hpp"
#include "watchdog.hpp"

namespace multiprocessing::test {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kShort = 40;
constexpr std::size_t kLong = 20'000;  // too long to lie in the queue itself
// So many short messages, of 48 bytes with their head, fill the first segment and the second one.
constexpr int kFirstSegment = 84;
constexpr int kSecondSegment = 169;

class QueueUnderKills : public testing::Test {
 protected:
  void SetUp() override {
    memory::note_death();
    blocks_ = memory::usage().blocks;
  }

  // Every kill gets a new queue.
  void make(std::uint32_t maxsize = 0, int messages = 0, std::size_t length = kShort) {
    channel_ = std::make_unique<Channel>(maxsize);
    for (int i = 0; i < messages; ++i) channel_->put(text_of(length));
  }

  // Takes all that is left: between `least` and `most` messages, all of them whole.
  void expect_left(int least, int most, std::size_t length = kShort) {
    const auto size = static_cast<int>(channel_->size());
    int left = 0;
    for (; const auto text = channel_->get_nowait(); ++left) {
      EXPECT_EQ(*text, text_of(length)) << "a torn message";
    }
    EXPECT_GE(left, least);
    EXPECT_LE(left, most);
    EXPECT_EQ(size, left);
  }

  void expect_usable() {
    for (const std::size_t length : {kShort, kLong}) {
      EXPECT_TRUE(channel_->put(text_of(length), 1s));
      EXPECT_EQ(channel_->get(1s), text_of(length));
    }
  }

  void expect_nothing_leaked(std::size_t more = 0) {
    channel_.reset();
    memory::note_death();
    EXPECT_EQ(memory::usage().blocks, blocks_ + more);
  }

  static void kill_at_every_step_of(const Operation& operation) {
    const StepReport report = kill_at_every_step(operation);
    EXPECT_GT(report.kills, 20);
    EXPECT_FALSE(report.blocked);
  }

  void kill_in_put(std::size_t length, int before) {
    const std::string text = text_of(length);
    kill_at_every_step_of({.arrange = [&] { make(0, before, length); },
                           .approach = [] { memory::self(); },
                           .act = [&] { channel_->put(text); },
                           .check =
                               [&] {
                                 expect_left(before, before + 1, length);
                                 expect_usable();
                                 expect_nothing_leaked();
                               }});
  }

  void kill_in_get(std::size_t length, int before) {
    kill_at_every_step_of({.arrange = [&] { make(0, before, length); },
                           .approach = [] { memory::self(); },
                           .act = [&] { channel_->get(); },
                           .check =
                               [&] {
                                 expect_left(before - 1, before, length);
                                 expect_usable();
                                 expect_nothing_leaked();
                               }});
  }

  // Kills in `act` while another process waits, which somebody else then relieves.
  void kill_beside(
      const std::function<void()>& arrange, const std::function<bool()>& wait,
      const std::function<void()>& act, const std::function<void()>& relieve,
      const std::function<void()>& check = [] {}) {
    std::unique_ptr<Child> waiter;
    kill_at_every_step({.arrange =
                            [&] {
                              arrange();
                              waiter = std::make_unique<Child>(wait);
                              ASSERT_TRUE(eventually([&] { return somebody_sleeps(); }));
                            },
                        .approach = [] { memory::self(); },
                        .act = act,
                        .check =
                            [&] {
                              relieve();
                              EXPECT_TRUE(eventually([&] { return waiter->ended(); }, 2s));
                              EXPECT_EQ(waiter->wait(), 0);
                              check();
                              expect_nothing_leaked();
                            }});
  }

  bool somebody_sleeps() const {
    const queues::QueueObject& queue = channel_->object();
    return queue.producers.gate.sleepers() + queue.consumers.gate.sleepers() != 0;
  }

  Watchdog watchdog_{long_form() ? 1200s : 120s};
  std::unique_ptr<Channel> channel_;
  std::size_t blocks_ = 0;
};

TEST_F(QueueUnderKills, PutOfTheFirstMessage) { kill_in_put(kShort, 0); }
TEST_F(QueueUnderKills, PutOfAnotherMessage) { kill_in_put(kShort, 1); }
TEST_F(QueueUnderKills, PutOfALongMessage) { kill_in_put(kLong, 1); }
TEST_F(QueueUnderKills, PutThatMakesTheQueueGrow) { kill_in_put(kShort, kFirstSegment); }
TEST_F(QueueUnderKills, GetOfTheLastMessage) { kill_in_get(kShort, 1); }
TEST_F(QueueUnderKills, GetOfAMessage) { kill_in_get(kShort, 2); }
TEST_F(QueueUnderKills, GetOfALongMessage) { kill_in_get(kLong, 2); }

TEST_F(QueueUnderKills, PutIntoADrainedSegment) {
  kill_at_every_step_of({.arrange =
                             [&] {
                               make();
                               for (int i = 0; i < kFirstSegment + kSecondSegment; ++i) {
                                 channel_->put(text_of(kShort));
                                 channel_->get();
                               }
                             },
                         .approach = [] { memory::self(); },
                         .act = [&] { channel_->put(text_of(kShort)); },
                         .check =
                             [&] {
                               expect_left(0, 1);
                               expect_usable();
                               expect_nothing_leaked();
                             }});
}

TEST_F(QueueUnderKills, GetThatLeavesTwoSegmentsBehind) {
  constexpr int kBefore = kFirstSegment + kSecondSegment;
  kill_at_every_step_of({.arrange =
                             [&] {
                               make(0, kBefore + 2);
                               for (int i = 0; i < kBefore; ++i) channel_->get();
                             },
                         .approach = [] { memory::self(); },
                         .act = [&] { channel_->get(); },
                         .check =
                             [&] {
                               expect_left(1, 2);
                               expect_usable();
                               expect_nothing_leaked();
                             }});
}

TEST_F(QueueUnderKills, PutOfAMessageWithAHandle) {
  auto other = std::make_unique<Channel>();
  const std::span handles(&other->handle(), 1);
  kill_at_every_step_of({.arrange = [&] { make(); },
                         .approach = [] { memory::self(); },
                         .act = [&] { channel_->put_parcel(text_of(kShort), handles); },
                         .check =
                             [&] {
                               expect_left(0, 1);
                               expect_nothing_leaked(1);
                             }});
  other.reset();
  expect_nothing_leaked();
}

TEST_F(QueueUnderKills, GetOfAMessageWithTheLastHandle) {
  kill_at_every_step_of({.arrange =
                             [&] {
                               make();
                               const Channel other;
                               channel_->put_parcel(text_of(kShort), std::span(&other.handle(), 1));
                             },
                         .approach = [] { memory::self(); },
                         .act = [&] { channel_->get(); },
                         .check =
                             [&] {
                               expect_left(0, 1);
                               expect_nothing_leaked();
                             }});
}

// The victim is the only one that has the queue, and lets go of it.
TEST_F(QueueUnderKills, TheEndOfAQueueWithMessages) {
  std::unique_ptr<Channel> own;
  kill_at_every_step_of({.approach =
                             [&] {
                               own = std::make_unique<Channel>();
                               const Channel other;
                               own->put(text_of(kLong));
                               own->put_parcel(text_of(kShort), std::span(&other.handle(), 1));
                               own->put(text_of(4000));  // in another segment
                             },
                         .act = [&] { own.reset(); },
                         .check = [&] { expect_nothing_leaked(); }});
}

TEST_F(QueueUnderKills, PutWhileAnotherProcessWaitsForAMessage) {
  kill_beside([&] { make(); }, [&] { return channel_->get(5s) == text_of(kShort); },
              [&] { channel_->put(text_of(kShort)); }, [&] { channel_->put(text_of(kShort)); },
              [&] { expect_left(0, 1); });
}

TEST_F(QueueUnderKills, GetWhileAnotherProcessWaitsForRoom) {
  kill_beside([&] { make(2, 2); }, [&] { return channel_->put(text_of(kShort), 5s); },
              [&] { channel_->get(); }, [&] { channel_->get_nowait(); },
              [&] { expect_left(1, 2); });
}

TEST_F(QueueUnderKills, AWaitingGetTakesNoWakeUpAlong) {
  kill_beside([&] { make(); }, [&] { return channel_->get(5s) == text_of(kShort); },
              [&] { channel_->get(3ms); }, [&] { channel_->put(text_of(kShort)); });
}

TEST_F(QueueUnderKills, ABoundedQueueRegainsItsWholeCapacity) {
  kill_at_every_step_of({.arrange = [&] { make(3, 1); },
                         .approach = [] { memory::self(); },
                         .act = [&] { channel_->put(text_of(kShort)); },
                         .check =
                             [&] {
                               expect_left(1, 2);
                               for (int i = 0; i < 3; ++i) {
                                 EXPECT_TRUE(channel_->put(text_of(kShort), 0s));
                               }
                               EXPECT_FALSE(channel_->put(text_of(kShort), 0s));
                               expect_left(3, 3);
                               expect_nothing_leaked();
                             }});
}

}  // namespace
}  // namespace multiprocessing::test
