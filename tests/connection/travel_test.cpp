// SPDX-License-Identifier: BSL-1.0
// Connections and handles inside of messages.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <multiprocessing/connection.hpp>
#include <multiprocessing/object.hpp>
#include <multiprocessing/synchronize.hpp>
#include <optional>
#include <vector>

#include "child.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "random_killer.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::Child;

std::size_t blocks() {
  memory::note_death();
  return memory::usage().blocks;
}

struct Order {
  int number;
  std::vector<Lock> locks;
  Connection reply;
};

TEST(Travel, AConnectionArrivesAndWorks) {
  auto [a, b] = Pipe();
  auto [inner_a, inner_b] = Pipe();
  a.send(inner_b);
  inner_b.close();
  auto arrived = b.recv<Connection>();
  inner_a.send(4);
  EXPECT_EQ(arrived.recv<int>(), 4);
  arrived.close();
  EXPECT_THROW(static_cast<void>(inner_a.recv<int>()), EOFError);
}

TEST(Travel, HandlesAndConnectionsInAStructArriveInAnotherProcess) {
  auto [a, b] = Pipe();
  Child child([&c = b] {
    auto order = c.recv<Order>();
    order.locks.at(1).acquire();
    order.reply.send(order.number + 1);
  });
  auto [reply_reader, reply] = Pipe(false);
  Order order{41, {Lock(), Lock()}, reply};
  a.send(order);
  EXPECT_EQ(reply_reader.recv<int>(), 42);
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(order.locks.at(1).locked());
  EXPECT_FALSE(order.locks.at(0).locked());
}

TEST(Travel, AHandleInAMessageLivesOnWhenItsMakerHasEnded) {
  const std::size_t before = blocks();
  {
    auto [reader, writer] = Pipe(false);
    EXPECT_EQ(test::in_child([&w = writer] {
                Semaphore semaphore(17);
                w.send(semaphore);
              }),
              0);
    memory::note_death();
    EXPECT_EQ(reader.recv<Semaphore>().get_value(), 17);
  }
  EXPECT_EQ(blocks(), before);
}

TEST(Travel, AHandleThatIsNeverReceivedEndsWithThePipe) {
  const std::size_t before = blocks();
  {
    auto [reader, writer] = Pipe(false);
    writer.send(Lock());
    writer.send(std::vector<Lock>(3));
    EXPECT_GT(blocks(), before + 2);
  }
  EXPECT_EQ(blocks(), before);
}

TEST(Travel, AHandleThatCouldNotBeSentIsLetGo) {
  const std::size_t before = blocks();
  {
    auto [reader, writer] = Pipe(false);
    reader.close();
    EXPECT_THROW(writer.send(1), BrokenPipeError);
    const std::size_t of_the_pipe = blocks();
    EXPECT_THROW(writer.send(Lock()), BrokenPipeError);
    EXPECT_EQ(blocks(), of_the_pipe);
  }
  EXPECT_EQ(blocks(), before);
}

TEST(Travel, AConnectionThroughItselfAndBack) {
  auto [a, b] = Pipe();
  a.send(a);
  auto arrived = b.recv<Connection>();
  arrived.send(9);
  EXPECT_EQ(b.recv<int>(), 9);
}

TEST(Travel, NoRoomForADescriptorIsAnErrorThatSaysSo) {
  auto [a, b] = Pipe();
  EXPECT_EQ(test::in_child([&x = a, &y = b] {
              x.send(y);
              const rlimit limit{static_cast<rlim_t>(y.fileno() + 1), 4096};
              ::setrlimit(RLIMIT_NOFILE, &limit);
              try {
                static_cast<void>(y.recv<Connection>());
              } catch (const std::system_error& error) {
                return error.code().value() == EMFILE ? 0 : 2;
              }
              return 1;
            }),
            0);
}

TEST(Travel, ThousandsOfKillsLeaveNoHandleBehind) {
  const std::size_t before = blocks();
  {
    auto [a, b] = Pipe();
    test::kill_at_random(
        {.kills = test::rounds(150, 2000), .processes = 2, .work = [&x = a, &y = b](int number) {
           Connection& own = number == 0 ? x : y;
           if (number == 0) {
             own.send(Lock());
             return;
           }
           Lock lock = own.recv<Lock>();
           lock.acquire();
           lock.release();
         }});
  }
  // References that protect a child which was killed before it took its own last 10 s.
  EXPECT_TRUE(test::eventually([&] { return blocks() == before; }, 20s)) << blocks();
}

}  // namespace
}  // namespace multiprocessing
