// SPDX-License-Identifier: BSL-1.0
// Signals, forks and the ends of processes; Ctrl-C as a shell's user sees it.
#include <fmt/core.h>

#include <algorithm>
#include <multiprocessing/log.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/signals.hpp>
#include <multiprocessing/synchronize.hpp>
#include <thread>
#include <vector>

#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::capture;
using mp::test::capture_fresh;
using mp::test::Child;
using mp::test::in_child;
using mp::test::SharedWord;
using mp::test::sleep_for_ever;
using std::chrono::steady_clock;

namespace {

using SignalsAcrossProcesses = mp::test::ProcessTest;
using SignalsAcrossProcessesByFork = SignalsAcrossProcesses;

// ---- fork

TEST_F(SignalsAcrossProcessesByFork, AProcessCallsWhatItsParentSetUp) {
  EXPECT_EQ(in_child([] {
              SharedWord caller;
              mp::signals::handle(SIGUSR1, [&] { caller = ::getpid(); });
              mp::Process p([] { mp::signals::wait({SIGUSR1}); });
              p.start();
              p.send_signal(SIGUSR1);
              return p.join(20s) && p.exitcode() == 0 && caller == p.pid();
            }),
            0);
}

TEST_F(SignalsAcrossProcesses, SoDoRawForksAndTheChildrenOfChildren) {
  EXPECT_EQ(in_child([] {
              SharedWord calls;
              mp::signals::handle(SIGUSR1, [&] { ++calls; });
              const auto call_once = [] {
                ::raise(SIGUSR1);
                mp::signals::wait({SIGUSR1});
              };
              const int code = in_child([&] {
                call_once();
                return in_child([&] { call_once(); });
              });
              call_once();
              return code == 0 && calls == 3;
            }),
            0);
}

TEST_F(SignalsAcrossProcesses, WhatTheParentHasGotAndNotDealtWithIsNotTheChilds) {
  EXPECT_EQ(in_child([] {
              std::atomic<bool> go{false};
              std::atomic<int> calls{0};
              mp::signals::keep({SIGUSR2});
              mp::signals::handle(SIGUSR1, [&] {
                go.wait(false);
                ++calls;
              });
              for (int i = 0; i < 10; ++i) ::raise(SIGUSR1);
              ::raise(SIGUSR2);
              const int code = in_child([&] {
                go = true;
                ::raise(SIGUSR1);
                mp::signals::wait({SIGUSR1});
                return calls == 1 && !mp::signals::wait({SIGUSR1, SIGUSR2}, 0s);
              });
              go = true;
              go.notify_all();
              for (int i = 0; i < 10; ++i) mp::signals::wait({SIGUSR1});
              return code == 0 && calls == 10 && mp::signals::wait({SIGUSR2}, 0s) == SIGUSR2;
            }),
            0);
}

// ThreadSanitizer takes a thread of the child for one of its parent's with the same stack.
#if !defined(__SANITIZE_THREAD__)
TEST_F(SignalsAcrossProcesses, AChildForkedAmidASignalStormOfAllThreadsHandlesItsOwn) {
  EXPECT_EQ(in_child([] {
              std::atomic<bool> stop{false};
              std::atomic<int> calls{0};
              mp::signals::handle(SIGUSR1, [&] { ++calls; });
              std::vector<std::thread> threads;
              for (int i = 0; i < 3; ++i) {
                threads.emplace_back([&] {
                  while (!stop) ::raise(SIGUSR1);
                });
              }
              int failures = 0;
              for (int i = 0; i < 100; ++i) {
                failures += in_child([] {
                  mp::signals::handle(SIGUSR2, [] {});
                  ::raise(SIGUSR2);
                  ::raise(SIGUSR1);
                  return mp::signals::wait({SIGUSR1}, 20s) && mp::signals::wait({SIGUSR2}, 20s);
                });
              }
              stop = true;
              for (std::thread& thread : threads) thread.join();
              return failures == 0;
            }),
            0);
}
#endif

TEST_F(SignalsAcrossProcesses, AProcessStartedInAFunctionIsLikeAnyOther) {
  EXPECT_EQ(in_child([] {
              mp::Process terminated(sleep_for_ever);
              mp::Process left([] { mp::exit(5); });
              mp::signals::handle(SIGUSR1, [&] {
                terminated.start();
                left.start();
              });
              ::raise(SIGUSR1);
              mp::signals::wait({SIGUSR1});
              terminated.terminate();
              return terminated.join(20s) && terminated.exitcode() == -SIGTERM && left.join(20s) &&
                     left.exitcode() == 5;
            }),
            0);
}

TEST_F(SignalsAcrossProcesses, ARawForkInAFunctionEndsWithIt) {
  EXPECT_EQ(in_child([] {
              pid_t forked = -1;
              mp::signals::handle(SIGUSR1, [&] { forked = ::fork(); });
              ::raise(SIGUSR1);
              mp::signals::wait({SIGUSR1});
              int status = -1;
              return ::waitpid(forked, &status, 0) == forked && status == 0;
            }),
            0);
}

// ThreadSanitizer has a thread of its own in each process.
#if !defined(__SANITIZE_THREAD__)
TEST_F(SignalsAcrossProcesses, TheThreadThatCallsIsNoneOfTheProgramsAsLongAsItIsIdle) {
  EXPECT_EQ(capture([] {
              mp::log_to_stderr();
              mp::signals::keep({SIGUSR2});
              mp::signals::handle(SIGUSR1, [] {});
              mp::Process p([] {
                mp::Process grandchild([] {});
                grandchild.start();
                grandchild.join();
              });
              p.start();
              p.join();
              return 0;
            }).output,
            "");
}
#endif

// ---- the end of the process

FRESH_SCENARIO(exit_in_a_function_while_main_is_blocked) {
  mp::Queue<int> never;
  mp::signals::handle(SIGUSR1, [] { mp::exit(7); });
  ::raise(SIGUSR1);
  return never.get();
}

TEST_F(SignalsAcrossProcesses, ExitInAFunctionEndsTheProgramWithItsCodeWhateverMainDoes) {
  EXPECT_EQ(capture_fresh("exit_in_a_function_while_main_is_blocked").code, 7);
}

TEST_F(SignalsAcrossProcesses, ExitInAFunctionEndsAChildWithItsCode) {
  EXPECT_EQ(in_child([] {
              mp::Process p([] {
                mp::signals::handle(SIGUSR1, [] { mp::exit(7); });
                ::raise(SIGUSR1);
                mp::Event().wait();
              });
              p.start();
              return p.join(20s) && p.exitcode() == 7;
            }),
            0);
}

FRESH_SCENARIO(exit_in_a_function_while_main_returns) {
  mp::signals::handle(SIGUSR1, [] { mp::exit(7); });
  ::raise(SIGUSR1);
  return 0;
}

TEST_F(SignalsAcrossProcesses, AMainThatReturnsAfterTheSignalDoesNotTakeTheExitCodeAway) {
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(::test::run_fresh("exit_in_a_function_while_main_returns"), 7);
  }
}

TEST_F(SignalsAcrossProcessesByFork, NorDoesATargetThatReturns) {
  EXPECT_EQ(in_child([] {
              mp::signals::handle(SIGUSR1, [] { mp::exit(7); });
              for (int i = 0; i < 50; ++i) {
                mp::Process p([] { ::raise(SIGUSR1); });
                p.start();
                if (!p.join(20s) || p.exitcode() != 7) return false;
              }
              return true;
            }),
            0);
}

FRESH_SCENARIO(the_end_amid_a_call) {
  static std::atomic<bool> called{false};
  mp::signals::handle(SIGUSR1, [] {
    called = true;
    called.notify_all();
    std::this_thread::sleep_for(50ms);
    fmt::print("tidied up\n");
  });
  ::raise(SIGUSR1);
  called.wait(false);
  return 3;
}

TEST_F(SignalsAcrossProcesses, ACallThatHasBegunComesToItsEndBeforeTheProcessDoes) {
  const auto [code, output] = capture_fresh("the_end_amid_a_call");

  EXPECT_EQ(code, 3);
  EXPECT_EQ(output, "tidied up\n");
}

FRESH_SCENARIO(the_end_amid_a_call_that_never_ends) {
  mp::signals::handle(SIGUSR1, sleep_for_ever);
  ::raise(SIGUSR1);
  return 3;
}

TEST_F(SignalsAcrossProcesses, ACallThatNeverEndsDoesNotKeepTheProcessAlive) {
  const auto begin = steady_clock::now();

  EXPECT_EQ(capture_fresh("the_end_amid_a_call_that_never_ends").code, 3);
  EXPECT_LT(steady_clock::now() - begin, 2s);
}

// ---- Ctrl-C

struct Interrupted {
  int code;            // of the first process
  std::string output;  // of all processes, both streams
  steady_clock::duration took;
};

// Runs a scenario as a shell's job, presses Ctrl-C once it has printed "ready", and waits until
// the last of its processes has let go of its output.
Interrupted interrupt(const char* scenario) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  Child job([&] {
    ::setsid();
    ::dup2(ends[1], STDOUT_FILENO);
    ::dup2(ends[1], STDERR_FILENO);
    ::execl("/proc/self/exe", "scenario", "--scenario", scenario, nullptr);
    return 127;
  });
  ::close(ends[1]);
  Interrupted result{};
  steady_clock::time_point pressed{};
  char buffer[4096];
  ssize_t got = 0;
  while ((got = ::read(ends[0], buffer, sizeof buffer)) > 0) {
    result.output.append(buffer, static_cast<std::size_t>(got));
    if (pressed == steady_clock::time_point{} && result.output == "ready\n") {
      result.output.clear();
      pressed = steady_clock::now();
      ::kill(-job.pid(), SIGINT);
    }
  }
  result.took = steady_clock::now() - pressed;
  ::close(ends[0]);
  result.code = job.wait();
  return result;
}

// Ten workers that wait in as many ways as there are, two of them daemons.
class Workers {
 public:
  Workers() {
    lock_.acquire();
    for (int i = 0; i < 10; ++i) {
      workers_.emplace_back(mp::ProcessOptions{.daemon = i >= 8}, work, i, lock_, jobs_, ready_);
    }
  }
  void start() {
    for (mp::Process& worker : workers_) worker.start();
    for (std::size_t i = 0; i < workers_.size(); ++i) ready_.acquire();
  }
  void join() const {
    for (const mp::Process& worker : workers_) worker.join();
  }

 private:
  static void work(int i, mp::Lock lock, mp::Queue<int> jobs, mp::Semaphore ready) {
    ready.release();
    if (i % 3 == 0) static_cast<void>(jobs.get());
    if (i % 3 == 1) lock.acquire();
    sleep_for_ever();
  }

  mp::Lock lock_;
  mp::Queue<int> jobs_;
  mp::Semaphore ready_{0};
  std::vector<mp::Process> workers_;
};

void say_ready() {
  fmt::print("ready\n");
  std::fflush(stdout);
}

FRESH_SCENARIO(ten_workers) {
  Workers workers;
  workers.start();
  say_ready();
  workers.join();
  return 0;
}

TEST_F(SignalsAcrossProcesses, CtrlCEndsTenWorkersAndTheirParentWithoutAWord) {
  const Interrupted job = interrupt("ten_workers");

  EXPECT_EQ(job.code, -SIGINT);  // a shell calls that 130
  EXPECT_EQ(job.output, "");
  EXPECT_LT(job.took, 2s);
}

FRESH_SCENARIO(ten_workers_and_a_function) {
  mp::signals::handle(SIGINT, [] {
    if (!mp::parent_process()) fmt::print("interrupted\n");
    mp::exit(130);
  });
  Workers workers;
  workers.start();
  say_ready();
  workers.join();
  return 0;
}

// ThreadSanitizer calls no handler in the pause() of a process that one with threads has forked.
#if !defined(__SANITIZE_THREAD__)
TEST_F(SignalsAcrossProcesses, CtrlCWithAFunctionThatExitsIsOneMessageAndItsCode) {
  for (int i = 0; i < 10; ++i) {
    const Interrupted job = interrupt("ten_workers_and_a_function");

    ASSERT_EQ(job.code, 130);
    ASSERT_EQ(job.output, "interrupted\n");
    ASSERT_LT(job.took, 2s);
  }
}
#endif

FRESH_SCENARIO(ten_workers_that_main_ends) {
  Workers workers;
  mp::signals::handle(SIGINT, SIG_IGN);  // for the workers; main tells them to end
  workers.start();
  mp::signals::keep({SIGINT});
  say_ready();
  mp::signals::wait({SIGINT});
  for (const mp::Process& worker : mp::active_children()) worker.terminate();
  workers.join();
  fmt::print("interrupted\n");
  return 130;
}

TEST_F(SignalsAcrossProcesses, CtrlCThatOnlyMainWaitsForLeavesItToMainToEndTheWorkers) {
  const Interrupted job = interrupt("ten_workers_that_main_ends");

  EXPECT_EQ(job.code, 130);
  EXPECT_EQ(job.output, "interrupted\n");
  EXPECT_LT(job.took, 2s);
}

}  // namespace
