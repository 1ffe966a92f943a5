// SPDX-License-Identifier: BSL-1.0
// Signals to a process, and what of signals a child inherits.
#include <poll.h>

#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::sleep_for_ever;

namespace {

using ProcessSignals = mp::test::ProcessTest;
using ProcessSignalsByFork = ProcessSignals;

TEST_F(ProcessSignals, TerminateKillAndInterruptGiveTheNegativeSignal) {
  for (const int signal : {SIGTERM, SIGKILL, SIGINT}) {
    mp::Process p(sleep_for_ever);
    p.start();
    if (signal == SIGTERM) p.terminate();
    if (signal == SIGKILL) p.kill();
    if (signal == SIGINT) p.interrupt();

    EXPECT_TRUE(p.join(20s));
    EXPECT_EQ(p.exitcode(), -signal);
    EXPECT_FALSE(p.is_alive());
  }
}

TEST_F(ProcessSignals, AnySignalCanBeSent) {
  mp::Process p(sleep_for_ever);
  p.start();

  p.send_signal(SIGUSR1);

  EXPECT_TRUE(p.join(20s));
  EXPECT_EQ(p.exitcode(), -SIGUSR1);
}

TEST_F(ProcessSignals, ASignalThatDoesNotExistIsASystemError) {
  mp::Process p(sleep_for_ever);
  p.start();

  EXPECT_THROW(p.send_signal(9999), std::system_error);
  p.kill();
  p.join();
}

TEST_F(ProcessSignals, SignalsToOneThatHasEndedDoNothing) {
  mp::Process ended([] {});
  ended.start();
  ended.join();
  mp::Process zombie([] {});
  zombie.start();
  pollfd entry{zombie.sentinel(), POLLIN, 0};
  ::poll(&entry, 1, -1);

  ended.terminate();
  zombie.kill();

  EXPECT_EQ(ended.exitcode(), 0);
  EXPECT_EQ(zombie.exitcode(), 0);
}

TEST_F(ProcessSignals, SignalDispositionsOfTheProgramStay) {
  const int code = mp::test::in_child([] {
    ::signal(SIGTERM, SIG_IGN);
    mp::Process p([] {
      ::raise(SIGTERM);
      mp::exit(42);
    });
    p.start();
    p.join();
    return p.exitcode().value();
  });

  EXPECT_EQ(code, 42);
}

TEST_F(ProcessSignalsByFork, TheSignalMaskOfTheStarterIsTheChilds) {
  mp::Process p([] {
    sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    mp::exit(::sigismember(&mask, SIGUSR1) == 1 && ::sigismember(&mask, SIGTERM) == 0 ? 42 : 1);
  });
  sigset_t usr1;
  sigset_t before;
  ::sigemptyset(&usr1);
  ::sigaddset(&usr1, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &usr1, &before);

  p.start();
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  p.join();

  EXPECT_EQ(p.exitcode(), 42);
}

}  // namespace
