// SPDX-License-Identifier: BSL-1.0
// What a Pipe promises of its descriptor, of a full pipe and of those who are killed at it.
#include <gtest/gtest.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/synchronize.hpp>
#include <system_error>
#include <thread>
#include <vector>

#include "child.hpp"
#include "connection_test.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "process_state.hpp"
#include "random_killer.hpp"
#include "step_killer.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::pattern;

// Of each way that a message can go: alone in the lane, with a packet, and elsewhere.
constexpr std::array<std::size_t, 3> kWays{100, 50'000, 300'000};

class LaneTest : public testing::Test {
 protected:
  bool readable_by_poll() const {
    pollfd entry{reader.fileno(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }
  // All that was sent can be received, and then the end of the stream comes.
  std::vector<std::size_t> drain() {
    writer.close();
    std::vector<std::size_t> sizes;
    try {
      for (;;) {
        if (const std::size_t size = receive_whole(reader); size != 0) sizes.push_back(size);
      }
    } catch (const EOFError&) {
    }
    return sizes;
  }
  // 0: its sender was killed while it handed the message over.
  static std::size_t receive_whole(Connection& from) {
    try {
      const std::vector<std::byte> message = from.recv_bytes();
      EXPECT_TRUE(message == pattern(message.size()));
      return message.size();
    } catch (const std::system_error& error) {
      if (error.code().value() != ECONNRESET) throw;
      return 0;
    }
  }

  std::pair<Connection, Connection> ends_ = Pipe(false);
  Connection& reader = ends_.first;
  Connection& writer = ends_.second;
};

TEST_F(LaneTest, TheDescriptorIsReadableExactlyWhileThereIsAMessage) {
  EXPECT_FALSE(readable_by_poll());
  for (const std::size_t size : {100U, 100U, 50'000U, 100U, 50'000U, 50'000U, 100U}) {
    writer.send_bytes(pattern(size));
  }
  for (int left = 7; left > 0; --left) {
    EXPECT_TRUE(readable_by_poll()) << left;
    static_cast<void>(reader.recv_bytes());
  }
  EXPECT_FALSE(readable_by_poll());
  writer.send(1);
  EXPECT_TRUE(readable_by_poll());
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_FALSE(readable_by_poll());
}

TEST_F(LaneTest, TheDescriptorToldBeforeAnybodyAskedIsMadeTrue) {
  writer.send(1);
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_FALSE(readable_by_poll());
  EXPECT_FALSE(reader.poll());
}

TEST_F(LaneTest, MessagesOfEachWayKeepTheirOrder) {
  std::thread sender([&] {
    for (std::size_t n = 0; n < 300; ++n) writer.send_bytes(pattern(kWays[n % 3] + n));
  });
  for (std::size_t n = 0; n < 300; ++n) {
    EXPECT_EQ(reader.recv_bytes(), pattern(kWays[n % 3] + n)) << n;
  }
  sender.join();
  EXPECT_FALSE(reader.poll());
}

TEST_F(LaneTest, ASenderWaitsWhileThePipeIsFullAndLosesNothing) {
  constexpr int kMessages = 20'000;
  Child sender([&w = writer] {
    for (int n = 0; n < kMessages; ++n) w.send(n);
  });
  EXPECT_TRUE(test::eventually([&] { return reader.poll(); }));
  for (int n = 0; n < kMessages; ++n) ASSERT_EQ(reader.recv<int>(), n);
  EXPECT_EQ(sender.wait(), 0);
}

TEST_F(LaneTest, ASenderThatWaitsForRoomIsToldThatNobodyReceives) {
  Child receiver([] { std::this_thread::sleep_for(1h); });
  Child sender([&r = reader, &w = writer] {
    r.close();
    try {
      for (;;) w.send(1);
    } catch (const BrokenPipeError&) {
      return 0;
    }
  });
  reader.close();
  EXPECT_FALSE(sender.ended());
  receiver.kill();
  EXPECT_EQ(sender.wait(), 0);
}

TEST_F(LaneTest, WhoHasJustSentIsToldThatTheLastReceiverEnded) {
  Child receiver([&r = reader, &w = writer] {
    w.close();
    return r.recv<int>() == 1;
  });
  reader.close();
  writer.send(1);
  EXPECT_EQ(receiver.wait(), 0);
  EXPECT_THROW(writer.send(2), BrokenPipeError);
}

TEST_F(LaneTest, ASenderKilledAtAnyInstructionSendsAllOrNothing) {
  for (const std::size_t size : {kWays[0], kWays[1]}) {
    const std::vector<std::byte> message = pattern(size);
    for (const bool bell_rung : {false, true}) {
      const auto report = test::kill_at_every_step({
          .arrange =
              [&] {
                ends_ = Pipe(false);
                writer.send_bytes(pattern(1));
                if (!bell_rung) {
                  EXPECT_EQ(reader.recv_bytes(), pattern(1));
                  EXPECT_FALSE(reader.poll());
                }
              },
          .act = [&] { writer.send_bytes(message); },
          .check =
              [&] {
                writer.send_bytes(pattern(7));
                std::vector<std::size_t> got = drain();
                if (bell_rung) {
                  ASSERT_FALSE(got.empty());
                  EXPECT_EQ(got.front(), 1U);
                  got.erase(got.begin());
                }
                EXPECT_TRUE(got == std::vector({size, std::size_t{7}}) ||
                            got == std::vector({std::size_t{7}}))
                    << got.size();
              },
      });
      EXPECT_GT(report.kills, 0);
    }
  }
}

TEST_F(LaneTest, AReceiverKilledAtAnyInstructionTakesOneMessageAtMost) {
  for (const std::size_t size : {kWays[0], kWays[1]}) {
    const auto report = test::kill_at_every_step({
        .arrange =
            [&] {
              ends_ = Pipe(false);
              for (const std::size_t each : {size, size + 1, std::size_t{3}}) {
                writer.send_bytes(pattern(each));
              }
            },
        .act = [&] { static_cast<void>(reader.recv_bytes()); },
        .check =
            [&] {
              EXPECT_TRUE(readable_by_poll());
              const std::vector<std::size_t> got = drain();
              EXPECT_TRUE(got == std::vector({size, size + 1, std::size_t{3}}) ||
                          got == std::vector({size + 1, std::size_t{3}}))
                  << got.size();
            },
    });
    EXPECT_GT(report.kills, 0);
  }
}

TEST_F(LaneTest, AReceiverKilledAtAnyInstructionOfGoingToSleepHarmsNobody) {
  const auto report = test::kill_at_every_step({
      .arrange =
          [&] {
            ends_ = Pipe(false);
            writer.send(1);
            EXPECT_EQ(reader.recv<int>(), 1);
          },
      .act = [&] { static_cast<void>(reader.recv_bytes()); },
      .check =
          [&] {
            writer.send_bytes(pattern(5));
            EXPECT_TRUE(reader.poll(2s));
            EXPECT_TRUE(readable_by_poll());
            EXPECT_EQ(drain(), std::vector<std::size_t>{5});
          },
  });
  EXPECT_GT(report.kills, 0);
  EXPECT_TRUE(report.blocked);
}

TEST_F(LaneTest, ThousandsOfKillsOfSendersAndReceiversTearNothingAndStopNobody) {
  test::kill_at_random({.kills = test::rounds(200, 2000), .processes = 4, .work = [&](int number) {
                          static std::size_t n = 0;
                          if (number < 2) {
                            ++n;
                            writer.send_bytes(pattern(kWays[n % 3] + n % 100));
                          } else if (receive_whole(reader); testing::Test::HasFailure()) {
                            std::abort();
                          }
                        }});
  Child late([&w = writer] { w.send_bytes(pattern(7)); });
  writer.close();
  EXPECT_EQ(drain().back(), 7U);
  EXPECT_EQ(late.wait(), 0);
}

TEST_F(LaneTest, AFirstSenderKilledAtAnyInstructionLeavesNoMemoryBehind) {
  memory::sweep();
  const std::size_t before = memory::usage().blocks;
  const auto report = test::kill_at_every_step({
      .arrange = [&] { ends_ = Pipe(false); },
      .act = [&] { writer.send(Lock()); },
      .check =
          [&] {
            ends_ = {};
            memory::sweep();
            EXPECT_LE(memory::usage().blocks, before);
          },
  });
  EXPECT_GT(report.kills, 0);
}

// The receiver may wait for that very message before it takes another one.
TEST_F(LaneTest, ASenderGoesOnAsSoonAsItsMessageFits) {
  const test::Watchdog watchdog{30s};
  auto [full, fills] = Pipe(false);
  Child sender([&, &f = fills] {
    const std::vector<std::byte> message = pattern(15'000);
    for (int i = 0; i < 4; ++i) writer.send_bytes(message);
    f.send(true);
    writer.send_bytes(message);
  });
  EXPECT_TRUE(full.recv<bool>());
  EXPECT_TRUE(test::eventually([&] { return test::state_of(sender.pid()) == 'S'; }));
  EXPECT_EQ(reader.recv_bytes(), pattern(15'000));

  EXPECT_EQ(sender.wait(), 0);
}

}  // namespace
}  // namespace multiprocessing
