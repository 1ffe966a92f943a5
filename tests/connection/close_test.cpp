// SPDX-License-Identifier: BSL-1.0
// Closing an end while another thread sleeps at it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <multiprocessing/connection.hpp>
#include <thread>

#include "child.hpp"
#include "connection_test.hpp"
#include "listener_test.hpp"
#include "process_state.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::errno_of;

class CloseTest : public testing::Test {
 protected:
  // Closes `end` while another thread receives there; what that one is told.
  template <class F> static int close_under_a_receiver(Connection& end, F close) {
    std::atomic<pid_t> receiving{0};
    int told = 0;
    std::thread receiver([&] {
      receiving = ::gettid();
      told = errno_of([&] { static_cast<void>(end.recv<int>()); });
    });
    test::eventually([&] { return receiving != 0 && test::state_of(receiving) == 'S'; });
    close();
    receiver.join();
    return told;
  }

  test::Watchdog watchdog{60s};
};

TEST_F(CloseTest, EndsAReceiveInAnotherThreadAndTellsTheOtherEnd) {
  for (auto [here, there] : {Pipe(), test::through_listener()}) {
    EXPECT_EQ(close_under_a_receiver(here, [&end = here] { end.close(); }), EBADF);
    EXPECT_THROW(static_cast<void>(there.recv<int>()), EOFError);
  }
}

TEST_F(CloseTest, DoesSoWhereTheProcessHasNoFreeDescriptor) {
  for (auto [here, there] : {Pipe(), test::through_listener()}) {
    const auto close = [&end = here] {
      const test::NoFreeDescriptor none;
      end.close();
    };
    EXPECT_EQ(close_under_a_receiver(here, close), EBADF);
    EXPECT_THROW(static_cast<void>(there.recv<int>()), EOFError);
  }
}

TEST_F(CloseTest, DoesSoWhereTheProgramClosedTheLibrarysSpareDescriptor) {
  auto [here, there] = Pipe();
  for (int fd = 3; fd < 200; ++fd) {
    if (test::link_of(fd) == "/dev/null") ::close(fd);
  }
  EXPECT_EQ(close_under_a_receiver(here, [&end = here] { end.close(); }), EBADF);
  EXPECT_THROW(static_cast<void>(there.recv<int>()), EOFError);
}

}  // namespace
}  // namespace multiprocessing
