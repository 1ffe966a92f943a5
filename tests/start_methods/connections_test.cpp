// SPDX-License-Identifier: BSL-1.0
// Pipe, Connection and wait; Listener and Client of one program.
#include <array>
#include <multiprocessing/listener.hpp>
#include <system_error>

#include <thread>

#include "across_processes.hpp"

namespace multiprocessing::test {
namespace {

using ConnectionsAcross = AcrossProcesses;
BY_EVERY_START_METHOD(ConnectionsAcross);

TEST_P(ConnectionsAcross, AChildAnswersMessagesOfAnySize) {
  auto [near, far] = ctx.Pipe();
  const Process process = start(
      [](Connection mine) {
        for (int i = 0; i < 3; ++i) mine.send(mine.recv<std::string>());
      },
      std::move(far));
  for (const std::size_t size : {0, 10, 3'000'000}) {
    const std::string text(size, 'x');
    near.send(text);
    EXPECT_TRUE(near.recv<std::string>() == text);
  }
  EXPECT_EQ(end_of(process), 0);
}

TEST_P(ConnectionsAcross, BytesAndValuesAreKeptApart) {
  auto [near, far] = ctx.Pipe();
  const Process process = start(
      [](Connection mine) {
        std::vector<int> numbers(3);
        check(mine.recv_bytes_into(numbers) == 12 && numbers == std::vector<int>{1, 2, 3});
        mine.send(numbers);
        std::array<char, 2> small{};
        try {
          (void)mine.recv_bytes_into(small);
          check(false);
        } catch (const BufferTooShort& error) {
          mine.send_bytes(error.message());
        }
        check(mine.recv() == Object::list({1, "two"}));
      },
      std::move(far));
  near.send_bytes(std::vector<int>{1, 2, 3});
  EXPECT_EQ(near.recv<std::vector<int>>(), (std::vector<int>{1, 2, 3}));
  near.send_bytes("too long");
  EXPECT_EQ(near.recv_bytes().size(), 8U);
  near.send(Object::list({1, "two"}));
  EXPECT_EQ(end_of(process), 0);
}

TEST_P(ConnectionsAcross, AOneWayPipesEndsDoOneThingOnly) {
  auto [reader, writer] = ctx.Pipe(false);
  const Process process = start(
      [](Connection mine) {
        check(mine.writable() && !mine.readable());
        check(throws<std::system_error>([&] { (void)mine.recv<int>(); }));
        mine.send(1);
      },
      std::move(writer));
  EXPECT_THROW(reader.send(1), std::system_error);
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_THROW((void)reader.recv<int>(), EOFError);
  EXPECT_EQ(end_of(process), 0);
}

TEST_P(ConnectionsAcross, PollEndsWithAMessageWithTheEndOrWithItsTime) {
  auto [near, far] = ctx.Pipe();
  const Process process = start(
      [](Connection mine) {
        const auto begin = Clock::now();
        check(!mine.poll() && !mine.poll(30ms) && since(begin) >= 30ms);
        mine.send(0);
        check(mine.poll(30s) && mine.recv<int>() == 7);
      },
      std::move(far));
  EXPECT_TRUE(near.poll(30s));
  EXPECT_EQ(near.recv<int>(), 0);
  near.send(7);
  EXPECT_TRUE(near.poll(30s)) << "the child has ended";
  EXPECT_THROW((void)near.recv<int>(), EOFError);
  EXPECT_EQ(end_of(process), 0);
}

TEST_P(ConnectionsAcross, AKilledPeerIsAnEndForWhoReceivesAndAnErrorForWhoSends) {
  auto [near, far] = ctx.Pipe();
  Process process = start(
      [](Connection mine) {
        mine.send(1);
        sleep_for_ever();
      },
      std::move(far));
  EXPECT_EQ(near.recv<int>(), 1);
  std::thread killer([&] {
    std::this_thread::sleep_for(20ms);
    process.kill();
  });
  const std::string text(100'000, 'x');
  EXPECT_THROW(for (;;) near.send(text), BrokenPipeError)
      << "it waits for room when the peer is killed";
  killer.join();
  EXPECT_THROW((void)near.recv<int>(), EOFError);
  EXPECT_EQ(end_of(process), -SIGKILL);
}

TEST_P(ConnectionsAcross, WaitNamesTheChildrenThatSpokeAndThoseThatEnded) {
  std::vector<Connection> ends;
  std::vector<Process> processes;
  for (int i = 0; i < 3; ++i) {
    auto [near, far] = ctx.Pipe();
    ends.push_back(near);
    processes.push_back(start(
        [](Connection mine, int number) {
          if (mine.recv<int>() > 0) mine.send(number);
          (void)mine.recv<int>();
        },
        std::move(far), i));
  }
  EXPECT_TRUE(connection::wait(ends, 1ms).empty());
  ends[1].send(1);
  EXPECT_THAT(connection::wait(ends, 30s), testing::ElementsAre(ends[1]));
  EXPECT_EQ(ends[1].recv<int>(), 1);
  processes[2].kill();
  EXPECT_EQ(connection::wait({processes[0].sentinel(), processes[2].sentinel()}, 30s),
            std::vector<int>{processes[2].sentinel()});
  EXPECT_THAT(connection::wait(ends, 30s), testing::ElementsAre(ends[2]));
  for (const std::size_t i : {0, 0, 1}) ends[i].send(0);
  EXPECT_EQ(end_of(processes[0]), 0);
  EXPECT_EQ(end_of(processes[1]), 0);
  EXPECT_EQ(end_of(processes[2]), -SIGKILL);
}

TEST_P(ConnectionsAcross, ConnectionsTravelThroughPipesAndQueues) {
  const auto by_queue = ctx.Queue<Connection>();
  auto [near, far] = ctx.Pipe();
  auto [first, firsts_peer] = ctx.Pipe();
  auto [second, seconds_peer] = ctx.Pipe();
  const Process process = start(
      [](Connection pipe, const Queue<Connection>& queue) {
        pipe.recv<Connection>().send(std::string("by a pipe"));
        queue.get(30s).send(std::string("by a queue"));
        auto [mine, theirs] = Pipe();
        pipe.send(theirs);
        theirs.close();
        mine.send(std::string("made in the child"));
      },
      std::move(far), by_queue);
  near.send(firsts_peer);
  by_queue.put(seconds_peer);
  firsts_peer.close();
  seconds_peer.close();
  EXPECT_EQ(first.recv<std::string>(), "by a pipe");
  EXPECT_EQ(second.recv<std::string>(), "by a queue");
  auto third = near.recv<Connection>();
  EXPECT_EQ(end_of(process), 0);
  EXPECT_EQ(third.recv<std::string>(), "made in the child");
  EXPECT_THROW((void)third.recv<std::string>(), EOFError);
  EXPECT_THROW((void)first.recv<std::string>(), EOFError);
}

TEST_P(ConnectionsAcross, BothEndsGivenToChildrenAreTheirsAlone) {
  auto [left, right] = ctx.Pipe();
  const Process sender = start(
      [](Connection mine) {
        for (int i = 0; i < 1000; ++i) mine.send(i);
      },
      std::move(left));
  const Process receiver = start(
      [](Connection mine) {
        for (int i = 0; i < 1000; ++i) check(mine.recv<int>() == i);
        check(throws<EOFError>([&] { (void)mine.recv<int>(); }));
      },
      std::move(right));
  EXPECT_EQ(end_of(sender), 0);
  EXPECT_EQ(end_of(receiver), 0);
}

TEST_P(ConnectionsAcross, AChildIsAClientWithTheKeyOfItsTree) {
  Listener listener({"127.0.0.1", 0}, current_process().authkey());
  const Process process = start(
      [](const Address& address) {
        Client(address, current_process().authkey()).send(std::string("hello"));
      },
      listener.address());
  EXPECT_EQ(listener.accept().recv<std::string>(), "hello");
  EXPECT_EQ(end_of(process), 0);
}

}  // namespace
}  // namespace multiprocessing::test
