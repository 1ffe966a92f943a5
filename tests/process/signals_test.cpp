// SPDX-License-Identifier: BSL-1.0
// Functions for signals, and what mp::signals refuses.
#include <multiprocessing/signals.hpp>

#include <pthread.h>

#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::eventually;
using mp::test::in_child;
using testing::HasSubstr;

namespace {

// Every test runs in a fork: what is done to a signal is done to a process.
class Signals : public mp::test::ProcessTest {};

void raise_often(int signal, int times) {
  for (int i = 0; i < times; ++i) ::raise(signal);
}

template <class Error> std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "(nothing was thrown)";
}

// ---- handle()

TEST_F(Signals, AFunctionGetsTheNumberOfTheSignalOrNothing) {
  EXPECT_EQ(in_child([] {
              std::atomic<int> got{0};
              mp::signals::handle(SIGUSR1, [&](int signal) { got += signal; });
              mp::signals::handle(SIGUSR2, [&] { got += 100; });
              ::raise(SIGUSR1);
              ::raise(SIGUSR2);
              return eventually([&] { return got == SIGUSR1 + 100; });
            }),
            0);
}

void plain(int) {}
void plain_without_number() {}

TEST_F(Signals, PlainFunctionsMovableOnesAndStdFunctionsAreTaken) {
  EXPECT_EQ(in_child([] {
              mp::signals::handle(SIGUSR1, plain);
              mp::signals::handle(SIGUSR1, &plain);
              mp::signals::handle(SIGUSR1, plain_without_number);
              mp::signals::handle(SIGUSR1, std::function<void(int)>(plain));
              std::atomic<int> got{0};
              mp::signals::handle(SIGUSR1, [&got, one = std::make_unique<int>(1)] { got += *one; });
              ::raise(SIGUSR1);
              return mp::signals::wait({SIGUSR1}) == SIGUSR1 && got == 1;
            }),
            0);
}

TEST_F(Signals, AFunctionMayLockAllocateAndPrintWhileTheMainThreadDoesTheSame) {
  EXPECT_EQ(in_child([] {
              std::mutex mutex;
              std::vector<std::string> words;
              int calls = 0;
              const auto add_word = [&] {
                const std::lock_guard guard(mutex);
                words.emplace_back(100, 'x');
                words.shrink_to_fit();
              };
              mp::signals::handle(SIGUSR1, [&] {
                add_word();
                ++calls;
              });
              for (int i = 0; i < 2000; ++i) {
                const std::lock_guard guard(mutex);
                // In a signal handler this would be a deadlock.
                ::raise(SIGUSR1);
                words.emplace_back(200, 'y');
              }
              for (int i = 0; i < 2000; ++i) mp::signals::wait({SIGUSR1});
              return calls == 2000 && words.size() == 4000;
            }),
            0);
}

TEST_F(Signals, EachOfAThousandSignalsIsACallAndAWait) {
  EXPECT_EQ(in_child([] {
              int calls = 0;
              mp::signals::handle(SIGUSR1, [&] { ++calls; });
              raise_often(SIGUSR1, 1000);
              for (int i = 0; i < 1000; ++i) mp::signals::wait({SIGUSR1});
              return calls == 1000 && !mp::signals::wait({SIGUSR1}, 0s);
            }),
            0);
}

TEST_F(Signals, NoneIsLostWhileAFunctionTakesItsTime) {
  EXPECT_EQ(in_child([] {
              constexpr int kMany = 20'000;
              std::atomic<bool> go{false};
              int calls = 0;
              mp::signals::handle(SIGUSR1, [&] {
                go.wait(false);
                ++calls;
              });
              raise_often(SIGUSR1, kMany);
              go = true;
              go.notify_all();
              for (int i = 0; i < kMany; ++i) mp::signals::wait({SIGUSR1});
              return calls == kMany;
            }),
            0);
}

TEST_F(Signals, NoneOfThoseFromSeveralThreadsIsLost) {
  EXPECT_EQ(in_child([] {
              int calls = 0;
              mp::signals::handle(SIGUSR1, [&] { ++calls; });
              std::vector<std::thread> threads;
              for (int i = 0; i < 4; ++i) threads.emplace_back(raise_often, SIGUSR1, 500);
              for (int i = 0; i < 4 * 500; ++i) mp::signals::wait({SIGUSR1});
              for (std::thread& thread : threads) thread.join();
              return calls == 4 * 500;
            }),
            0);
}

TEST_F(Signals, FunctionsAreCalledOneAtATimeInTheOrderOfArrival) {
  EXPECT_EQ(in_child([] {
              std::vector<int> order;
              std::atomic<int> inside{0};
              bool alone = true;
              const auto note = [&](int signal) {
                alone = alone && ++inside == 1;
                order.push_back(signal);
                --inside;
              };
              std::vector<int> sent;
              for (int i = 0; i < 300; ++i) {
                sent.push_back(i % 3 == 0 ? SIGUSR2 : i % 3 == 1 ? SIGTERM : SIGUSR1);
              }
              for (const int signal : {SIGUSR1, SIGUSR2, SIGTERM}) {
                mp::signals::handle(signal, note);
              }
              for (const int signal : sent) ::raise(signal);
              for (const int signal : sent) mp::signals::wait({signal});
              return alone && order == sent;
            }),
            0);
}

TEST_F(Signals, AnExceptionIsReportedInOneLineAndTheProgramGoesOn) {
  const auto [code, output] = mp::test::capture([] {
    mp::signals::handle(SIGUSR1, [] { throw std::runtime_error("no such luck"); });
    ::raise(SIGUSR1);
    ::raise(SIGUSR1);
    mp::signals::wait({SIGUSR1});
    mp::signals::wait({SIGUSR1});
    return 0;
  });

  EXPECT_EQ(code, 0);
  EXPECT_THAT(output,
              testing::MatchesRegex("(Process MainProcess \\([0-9]+\\), in the function of SIGUSR1:"
                                    " std::runtime_error: no such luck\n){2}"));
}

TEST_F(Signals, AFunctionThatEndsItsThreadDoesNotEndTheCalls) {
  EXPECT_EQ(in_child([] {
              std::atomic<int> calls{0};
              mp::signals::handle(SIGUSR1, [&] {
                ++calls;
                ::pthread_exit(nullptr);
              });
              ::raise(SIGUSR1);
              if (!eventually([&] { return calls == 1; })) return false;
              ::raise(SIGUSR1);
              return eventually([&] { return calls == 2; });
            }),
            0);
}

TEST_F(Signals, TheLatestFunctionCountsAndTheOneBeforeIsDropped) {
  EXPECT_EQ(in_child([] {
              const auto owned = std::make_shared<int>(0);
              mp::signals::handle(SIGUSR1, [owned] { ++*owned; });
              std::atomic<int> second{0};
              mp::signals::handle(SIGUSR1, [&] { ++second; });
              ::raise(SIGUSR1);
              mp::signals::wait({SIGUSR1});
              return *owned == 0 && owned.use_count() == 1 && second == 1;
            }),
            0);
}

TEST_F(Signals, AFunctionRunsWithTheMaskOfWhoSetIt) {
  EXPECT_EQ(in_child([] {
              sigset_t mask;
              ::sigemptyset(&mask);
              ::sigaddset(&mask, SIGHUP);
              ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
              bool as_set = false;
              mp::signals::handle(SIGUSR1, [&] {
                sigset_t own;
                ::pthread_sigmask(SIG_BLOCK, nullptr, &own);
                as_set = ::sigismember(&own, SIGHUP) == 1 && ::sigismember(&own, SIGTERM) == 0;
              });
              ::raise(SIGUSR1);
              mp::signals::wait({SIGUSR1});
              return as_set;
            }),
            0);
}

// ThreadSanitizer calls no handler before read() has returned.
#if !defined(__SANITIZE_THREAD__)
TEST_F(Signals, ABlockingCallOfTheProgramIsRestarted) {
  EXPECT_EQ(in_child([] {
              int ends[2];
              if (::pipe2(ends, O_CLOEXEC) != 0) return false;
              std::atomic<int> calls{0};
              mp::signals::handle(SIGUSR1, [&] {
                if (++calls == 100 && ::write(ends[1], "x", 1) != 1) ++calls;
              });
              const pthread_t main = ::pthread_self();
              std::thread sender([&] {
                for (int i = 1; i <= 100; ++i) {
                  ::pthread_kill(main, SIGUSR1);
                  eventually([&] { return calls == i; });
                }
              });
              char got = 0;
              const ssize_t bytes = ::read(ends[0], &got, 1);
              sender.join();
              return bytes == 1 && calls == 100;
            }),
            0);
}
#endif

TEST_F(Signals, IgnoredIsIgnoredAndDefaultIsTheSystems) {
  EXPECT_EQ(in_child([] {
              mp::signals::handle(SIGTERM, [] {});
              mp::signals::handle(SIGTERM, SIG_IGN);
              ::raise(SIGTERM);
              if (mp::signals::wait({SIGUSR1}, 0s)) return 1;
              mp::signals::handle(SIGTERM, SIG_DFL);
              ::raise(SIGTERM);
              return 2;
            }),
            -SIGTERM);
}

TEST_F(Signals, OneThatCameBeforeItsDefaultWasRestoredHasItsDefaultEffect) {
  EXPECT_EQ(in_child([] {
              mp::signals::keep({SIGTERM});
              ::raise(SIGTERM);
              mp::signals::handle(SIGTERM, SIG_DFL);
            }),
            -SIGTERM);
  EXPECT_EQ(in_child([] {
              std::atomic<bool> go{false};
              mp::signals::handle(SIGUSR1, [&] { go.wait(false); });
              mp::signals::handle(SIGTERM, [] {});
              ::raise(SIGUSR1);
              ::raise(SIGTERM);
              mp::signals::handle(SIGTERM, SIG_DFL);
              go = true;
              go.notify_all();
              mp::test::sleep_for_ever();
            }),
            -SIGTERM);
}

TEST_F(Signals, OneWhoseFunctionHasRunHasNoFurtherEffect) {
  EXPECT_EQ(in_child([] {
              mp::signals::handle(SIGTERM, [] {});
              mp::signals::handle(SIGUSR1, [] {});
              ::raise(SIGTERM);
              ::raise(SIGUSR1);
              mp::signals::wait({SIGUSR1});
              mp::signals::handle(SIGTERM, SIG_DFL);
            }),
            0);
}

TEST_F(Signals, WhatNobodyAskedForStaysAsItWas) {
  EXPECT_EQ(in_child([] {
              static std::atomic<int> of_the_host{0};
              struct sigaction action {};
              action.sa_handler = [](int) { ++of_the_host; };
              ::sigaction(SIGCHLD, &action, nullptr);
              mp::signals::handle(SIGUSR1, [] {});
              mp::signals::keep({SIGUSR2});
              mp::Process p([] {});
              p.start();
              p.join();
              struct sigaction interrupt {};
              ::sigaction(SIGINT, nullptr, &interrupt);
              return eventually([] { return of_the_host == 1; }) && interrupt.sa_handler == SIG_DFL;
            }),
            0);
}

TEST_F(Signals, ChildrenThatEndCanBeHandledToo) {
  EXPECT_EQ(in_child([] {
              mp::signals::handle(SIGCHLD, [] {});
              mp::Process p([] {});
              p.start();
              return mp::signals::wait({SIGCHLD}, 20s) == SIGCHLD && p.join() && p.exitcode() == 0;
            }),
            0);
}

// ---- what is refused

TEST_F(Signals, WhatIsNoSignalOrCannotBeChangedIsAValueError) {
  for (const int signal : {0, -1, 65, 1000, 32, SIGKILL, SIGSTOP}) {
    EXPECT_THROW(mp::signals::handle(signal, [] {}), mp::ValueError) << signal;
    EXPECT_THROW(mp::signals::handle(signal, SIG_IGN), mp::ValueError) << signal;
    EXPECT_THROW(mp::signals::handle(signal, SIG_DFL), mp::ValueError) << signal;
    EXPECT_THROW(mp::signals::keep({SIGUSR1, signal}), mp::ValueError) << signal;
    EXPECT_THROW(mp::signals::wait({SIGUSR1, signal}, 0s), mp::ValueError) << signal;
  }
  EXPECT_THROW(mp::signals::handle(SIGSEGV, [] {}), mp::ValueError);
  EXPECT_THROW(mp::signals::wait({}, 0s), mp::ValueError);
}

TEST_F(Signals, AnEmptyFunctionIsAValueErrorThatNamesTheSignal) {
  EXPECT_THAT(
      message_of<mp::ValueError>([] { mp::signals::handle(SIGUSR1, std::function<void()>()); }),
      HasSubstr("SIGUSR1"));
  void (*none)() = nullptr;
  EXPECT_THROW(mp::signals::handle(SIGUSR1, none), mp::ValueError);
}

TEST_F(Signals, RaiseInNamesThePidAndTheSignalThatTheSystemRefused) {
  const pid_t gone = [] {
    mp::test::Child child([] {});
    child.wait();
    return child.pid();
  }();

  const auto message = message_of<std::system_error>([&] { mp::signals::raise_in(gone, SIGUSR1); });

  EXPECT_THAT(message, HasSubstr(std::to_string(gone)));
  EXPECT_THAT(message, HasSubstr("SIGUSR1"));
}

TEST_F(Signals, RaiseInTakesNoGroupsAndNoNumberThatIsNoSignal) {
  EXPECT_THROW(mp::signals::raise_in(0, SIGUSR1), mp::ValueError);
  EXPECT_THROW(mp::signals::raise_in(-1, SIGUSR1), mp::ValueError);
  EXPECT_THROW(mp::signals::raise_in(::getpid(), 65), mp::ValueError);
  EXPECT_NO_THROW(mp::signals::raise_in(::getpid(), 0));
}

}  // namespace
