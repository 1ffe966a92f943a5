// SPDX-License-Identifier: BSL-1.0
#include <poll.h>

#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::sleep_for_ever;

namespace {

using ProcessLife = mp::test::ProcessTest;
using ProcessLifeByFork = ProcessLife;

template <class P, class T>
concept JoinsFor = requires(P& p, T timeout) {
  p.join(timeout);
};

bool readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

TEST_F(ProcessLife, BeforeTheStartNothingIsKnown) {
  const mp::Process p([] {});

  EXPECT_FALSE(p.is_alive());
  EXPECT_EQ(p.pid(), 0);
  EXPECT_EQ(p.ident(), 0);
  EXPECT_EQ(p.exitcode(), std::nullopt);
}

TEST_F(ProcessLife, BeforeTheStartJoinSentinelAndSignalsAreErrors) {
  const mp::Process p([] {});

  EXPECT_THROW(p.join(), mp::AssertionError);
  EXPECT_THROW((void)p.sentinel(), mp::ValueError);
  EXPECT_THROW(p.terminate(), mp::AttributeError);
  EXPECT_THROW(p.kill(), mp::AttributeError);
  EXPECT_THROW(p.interrupt(), mp::AttributeError);
  EXPECT_THROW(p.send_signal(0), mp::AttributeError);
}

TEST_F(ProcessLife, WhileItRunsItIsAliveWithAPidAndNoExitcode) {
  mp::Process p(sleep_for_ever);
  p.start();

  EXPECT_TRUE(p.is_alive());
  EXPECT_GT(p.pid(), 0);
  EXPECT_EQ(p.pid(), p.ident());
  EXPECT_NE(p.pid(), ::getpid());
  EXPECT_EQ(p.exitcode(), std::nullopt);
  EXPECT_FALSE(readable(p.sentinel()));
  p.kill();
  p.join();
}

TEST_F(ProcessLife, AfterTheEndThePidStaysAndTheSentinelIsReadable) {
  mp::Process p([] {});
  p.start();
  const pid_t pid = p.pid();
  EXPECT_TRUE(p.join());

  EXPECT_FALSE(p.is_alive());
  EXPECT_EQ(p.pid(), pid);
  EXPECT_EQ(p.exitcode(), 0);
  EXPECT_TRUE(readable(p.sentinel()));
}

TEST_F(ProcessLife, TheSentinelIsReadableAsSoonAsItHasEnded) {
  mp::Process p(sleep_for_ever);
  p.start();
  const int sentinel = p.sentinel();
  EXPECT_FALSE(readable(sentinel));

  p.kill();

  pollfd entry{sentinel, POLLIN, 0};
  EXPECT_EQ(::poll(&entry, 1, 20'000), 1);
  EXPECT_EQ(p.exitcode(), -SIGKILL);
}

TEST_F(ProcessLife, TheSentinelIsNotInheritedByExec) {
  mp::Process p([] {});
  p.start();

  EXPECT_NE(::fcntl(p.sentinel(), F_GETFD) & FD_CLOEXEC, 0);
  p.join();
}

TEST_F(ProcessLife, JoinMayBeRepeated) {
  mp::Process p([] {});
  p.start();

  EXPECT_TRUE(p.join());
  EXPECT_TRUE(p.join());
  EXPECT_TRUE(p.join(0s));
}

TEST_F(ProcessLife, JoinWithATimeoutSaysWhetherItHasEnded) {
  mp::Process p(sleep_for_ever);
  p.start();
  const auto begin = std::chrono::steady_clock::now();

  EXPECT_FALSE(p.join(0s));
  EXPECT_FALSE(p.join(-1s));
  EXPECT_FALSE(p.join(50ms));

  EXPECT_GE(std::chrono::steady_clock::now() - begin, 50ms);
  p.kill();
  EXPECT_TRUE(p.join(20s));
}

TEST_F(ProcessLife, ATimeoutThatIsANumberDoesNotCompile) {
  EXPECT_FALSE((JoinsFor<mp::Process, int>));
  EXPECT_FALSE((JoinsFor<mp::Process, double>));
  EXPECT_TRUE((JoinsFor<mp::Process, std::chrono::minutes>));
}

TEST_F(ProcessLife, StartsOnlyOnce) {
  mp::Process p([] {});
  p.start();

  EXPECT_THROW(p.start(), mp::AssertionError);
  p.join();
  EXPECT_THROW(p.start(), mp::AssertionError);
}

TEST_F(ProcessLifeByFork, OnlyTheMakerStartsAndJoins) {
  mp::Process unstarted([] {});
  mp::Process p(sleep_for_ever);
  p.start();

  mp::Process other([&] {
    int errors = 0;
    try {
      unstarted.start();
    } catch (const mp::AssertionError&) {
      ++errors;
    }
    try {
      p.join();
    } catch (const mp::AssertionError&) {
      ++errors;
    }
    try {
      (void)p.is_alive();
    } catch (const mp::AssertionError&) {
      ++errors;
    }
    try {
      p.terminate();
    } catch (const mp::AssertionError&) {
      ++errors;
    }
    if (p.exitcode() == std::nullopt) ++errors;
    mp::exit(errors);
  });
  other.start();
  other.join();

  EXPECT_EQ(other.exitcode(), 5);
  EXPECT_TRUE(p.is_alive());
  p.kill();
}

TEST_F(ProcessLife, ARawForkIsNotTheMakerEither) {
  mp::Process p(sleep_for_ever);
  p.start();

  const int code = mp::test::in_child([&] {
    try {
      p.join(0s);
      return 1;
    } catch (const mp::AssertionError&) {
      return mp::active_children().empty() ? 0 : 2;
    }
  });

  EXPECT_EQ(code, 0);
  EXPECT_TRUE(p.is_alive());
  p.kill();
}

TEST_F(ProcessLife, ADaemonHasNoChildren) {
  mp::Process p({.daemon = true}, [] {
    try {
      mp::Process([] {}).start();
    } catch (const mp::AssertionError&) {
      mp::exit(42);
    }
  });
  p.start();
  p.join();

  EXPECT_EQ(p.exitcode(), 42);
}

TEST_F(ProcessLife, CloseWhileItRunsIsAValueError) {
  mp::Process p(sleep_for_ever);
  p.start();

  EXPECT_THROW(p.close(), mp::ValueError);

  EXPECT_TRUE(p.is_alive());
  p.kill();
  p.join();
  EXPECT_NO_THROW(p.close());
}

TEST_F(ProcessLife, AfterCloseOnlyNameDaemonAndAuthkeyWork) {
  mp::Process p({.name = "closed", .daemon = true}, [] {});
  p.start();
  p.join();
  const auto key = p.authkey();

  p.close();
  p.close();

  EXPECT_EQ(p.name(), "closed");
  EXPECT_TRUE(p.daemon());
  EXPECT_EQ(p.authkey(), key);
  EXPECT_THROW(p.start(), mp::ValueError);
  EXPECT_THROW(p.join(), mp::ValueError);
  EXPECT_THROW((void)p.is_alive(), mp::ValueError);
  EXPECT_THROW(p.terminate(), mp::ValueError);
  EXPECT_THROW((void)p.pid(), mp::ValueError);
  EXPECT_THROW((void)p.ident(), mp::ValueError);
  EXPECT_THROW((void)p.exitcode(), mp::ValueError);
  EXPECT_THROW((void)p.sentinel(), mp::ValueError);
}

TEST_F(ProcessLife, AnUnstartedOneThatIsClosedCannotBeStarted) {
  mp::Process p([] {});

  p.close();

  EXPECT_THROW(p.start(), mp::ValueError);
}

TEST_F(ProcessLife, CloseLetsGoOfTheSentinel) {
  mp::Process p([] {});
  p.start();
  p.join();
  const int sentinel = p.sentinel();

  p.close();

  EXPECT_EQ(::fcntl(sentinel, F_GETFD), -1);
}

TEST_F(ProcessLifeByFork, TheChildRunsOnWithoutItsHandle) {
  mp::test::SharedWord done;
  {
    mp::Process p([&] {
      std::this_thread::sleep_for(50ms);
      done = 1;
    });
    p.start();
  }
  done.await(1);
}

TEST_F(ProcessLifeByFork, StartDropsTheTargetAndItsArgumentsHere) {
  auto in_target = std::make_shared<int>(1);
  auto in_argument = std::make_shared<int>(2);
  mp::Process p([in_target](const std::shared_ptr<int>&) {}, in_argument);
  EXPECT_EQ(in_target.use_count(), 2);
  EXPECT_EQ(in_argument.use_count(), 2);

  p.start();

  EXPECT_EQ(in_target.use_count(), 1);
  EXPECT_EQ(in_argument.use_count(), 1);
  p.join();
}

TEST_F(ProcessLifeByFork, TheChildDestroysTheTargetAndItsArgumentsBeforeItEnds) {
  struct Noted {
    std::shared_ptr<int> pipe_end;
    static std::shared_ptr<int> of(int fd) {
      return {new int(fd), [](const int* p) {
                if (::write(*p, "x", 1) != 1) std::abort();
                delete p;
              }};
    }
  };
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  auto end = Noted::of(ends[1]);
  mp::Process p([](const std::shared_ptr<int>&) {}, end);
  p.start();
  p.join();

  char byte = 0;
  EXPECT_EQ(::read(ends[0], &byte, 1), -1) << "the test's copy lives, in the child too";

  mp::Process q([](std::shared_ptr<int>) {}, Noted::of(ends[1]));
  q.start();
  EXPECT_EQ(::read(ends[0], &byte, 1), 1) << "dropped by start() here";
  q.join();
  EXPECT_EQ(::read(ends[0], &byte, 1), 1) << "destroyed by the child";
  EXPECT_EQ(::read(ends[0], &byte, 1), -1) << "once each";
  end.reset();
  for (const int fd : ends) ::close(fd);
}

TEST_F(ProcessLife, IsPrintedAsPythonPrintsIt) {
  mp::Process p({.name = "it", .daemon = true}, sleep_for_ever);
  EXPECT_EQ(p.repr(),
            "<Process name='it' parent=" + std::to_string(::getpid()) + " initial daemon>");
  p.start();
  std::ostringstream out;
  out << p;
  EXPECT_EQ(out.str(), "<Process name='it' pid=" + std::to_string(p.pid()) +
                           " parent=" + std::to_string(::getpid()) + " started daemon>");
  p.kill();
  p.join();
  EXPECT_THAT(p.repr(), testing::HasSubstr("stopped exitcode=-SIGKILL"));
  p.close();
  EXPECT_THAT(p.repr(), testing::HasSubstr("closed"));
}

TEST_F(ProcessLife, ManyProcessesEndAsTheyWereTold) {
  std::vector<mp::Process> quick;
  std::vector<mp::Process> slow;
  for (int i = 0; i < 100; ++i) quick.emplace_back([] {}).start();
  for (int i = 0; i < 100; ++i) slow.emplace_back(sleep_for_ever).start();

  for (const auto& p : quick) p.join();
  for (const auto& p : slow) p.terminate();
  for (const auto& p : slow) p.join();

  for (const auto& p : quick) EXPECT_EQ(p.exitcode(), 0);
  for (const auto& p : slow) EXPECT_EQ(p.exitcode(), -SIGTERM);
}

}  // namespace
