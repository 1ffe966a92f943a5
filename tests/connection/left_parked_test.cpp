// SPDX-License-Identifier: BSL-1.0
// An end that lies in a message of a killed process is open until somebody sweeps: whoever waits at
// the other end does it, however it waits.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/synchronize.hpp>
#include <utility>
#include <vector>

#include "child.hpp"
#include "listener_test.hpp"
#include "signal_storm.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;

// The other end of `ends.second`, whose only copy is parked by a process that was killed.
Connection with_other_left_parked(std::pair<Connection, Connection> ends) {
  EXPECT_EQ(test::in_child([&] {
              Queue<Connection> queue;
              queue.put(ends.second);
              ::raise(SIGKILL);
            }),
            -SIGKILL);
  ends.second.close();
  return ends.first;
}

std::pair<Connection, Connection> of_the_programs_own_sockets() {
  int ends[2];
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  return {Connection(ends[0]), Connection(ends[1])};
}

// Until it is told.
void send_for_ever(Connection& connection, std::size_t bytes) {
  const std::vector<std::byte> message(bytes);
  for (;;) connection.send_bytes(message);
}

class LeftParked : public testing::Test {
 protected:
  const Lock lock;  // of the tree, before a child begins one of its own
  test::Watchdog watchdog{60s};
};

TEST_F(LeftParked, AReceiverOfAListenersConnectionIsToldOfTheEnd) {
  Connection here = with_other_left_parked(test::through_listener());
  EXPECT_THROW(static_cast<void>(here.recv<int>()), EOFError);
}

TEST_F(LeftParked, ASenderOnAListenersConnectionIsToldThatNobodyReceives) {
  Connection here = with_other_left_parked(test::through_listener());
  EXPECT_THROW(send_for_ever(here, 1000), BrokenPipeError);
}

TEST_F(LeftParked, AReceiverOfAStreamOfTheProgramsIsToldOfTheEnd) {
  Connection here = with_other_left_parked(of_the_programs_own_sockets());
  EXPECT_THROW(static_cast<void>(here.recv<int>()), EOFError);
}

TEST_F(LeftParked, ASenderOnAStreamOfTheProgramsIsToldThatNobodyReceives) {
  Connection here = with_other_left_parked(of_the_programs_own_sockets());
  EXPECT_THROW(send_for_ever(here, 1000), BrokenPipeError);
}

TEST_F(LeftParked, AReceiverUnderAStormOfSignalsIsToldOfTheEnd) {
  for (auto ends : {test::through_listener(), Pipe()}) {
    Connection here = with_other_left_parked(std::move(ends));
    const test::SignalStorm storm;
    EXPECT_THROW(static_cast<void>(here.recv<int>()), EOFError);
  }
}

TEST_F(LeftParked, ASenderOnAPipeIsToldThatNobodyReceivesWhateverTheSize) {
  for (const std::size_t bytes :
       {std::size_t{1000}, std::size_t{100'000}, std::size_t{300'000}, std::size_t{4'000'000}}) {
    Connection here = with_other_left_parked(Pipe());
    EXPECT_THROW(send_for_ever(here, bytes), BrokenPipeError) << bytes;
  }
}

TEST_F(LeftParked, WhoAsksAgainAndAgainIsToldOfTheEnd) {
  for (const auto within : {0ms, 100ms}) {
    Connection polled = with_other_left_parked(Pipe());
    while (!polled.poll(within)) {
    }
    EXPECT_THROW(static_cast<void>(polled.recv<int>()), EOFError);

    Connection awaited = with_other_left_parked(test::through_listener());
    while (connection::wait({awaited}, within).empty()) {
    }
    EXPECT_THROW(static_cast<void>(awaited.recv<int>()), EOFError);
  }
}

TEST_F(LeftParked, WhoWaitsForBusyOnesAsWellIsToldOfTheEnd) {
  Connection quiet = with_other_left_parked(Pipe());
  auto [reader, writer] = Pipe(false);
  writer.send(1);
  for (bool told = false; !told;) {
    for (const Connection& ready : connection::wait({quiet, reader})) told |= ready == quiet;
  }
  EXPECT_THROW(static_cast<void>(quiet.recv<int>()), EOFError);
}

}  // namespace
}  // namespace multiprocessing
