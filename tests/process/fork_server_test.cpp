// SPDX-License-Identifier: BSL-1.0
// The process that forks the children of the start method forkserver.
#include <csignal>
#include <cstdio>
#include <fstream>
#include <multiprocessing/context.hpp>

#include "process_test.hpp"

namespace multiprocessing::test {
namespace {

using std::chrono::seconds;

class ForkServerTest : public ProcessTest {
 protected:
  const Context ctx = get_context("forkserver");
};

pid_t server_of(const Process& child) { return parent_of(child.pid()); }

TEST_F(ForkServerTest, OneServerForksAllAndIsNoChildOfTheProgram) {
  Process first = ctx.Process(sleep_for_ever);
  Process second = ctx.Process(sleep_for_ever);
  first.start();
  second.start();
  const pid_t server = server_of(first);
  EXPECT_EQ(server, server_of(second));
  EXPECT_NE(server, ::getpid());
  EXPECT_EQ(::waitpid(server, nullptr, WNOHANG), -1);
  first.kill();
  second.kill();
}

TEST_F(ForkServerTest, AKilledServerIsReplacedAndItsChildrenAreStillWatched) {
  Process first = ctx.Process(sleep_for_ever);
  first.start();
  const pid_t server = server_of(first);
  ::kill(server, SIGKILL);
  ASSERT_TRUE(eventually([&] { return server_of(first) != server; }, seconds(20)));
  EXPECT_TRUE(first.is_alive());
  Process second = ctx.Process([] { exit(4); });
  second.start();
  EXPECT_TRUE(second.join(seconds(30)));
  EXPECT_EQ(second.exitcode(), 4);
  first.terminate();
  EXPECT_TRUE(first.join(seconds(30)));
}

TEST_F(ForkServerTest, AServerSurvivesCtrlCAndShutdownsAndItsChildrenDoNot) {
  Process first = ctx.Process(sleep_for_ever);
  first.start();
  const pid_t server = server_of(first);
  for (const int signal : {SIGINT, SIGQUIT, SIGHUP, SIGTERM}) ::kill(server, signal);
  first.interrupt();
  EXPECT_TRUE(first.join(seconds(30)));
  EXPECT_EQ(first.exitcode(), -SIGINT);
  Process second = ctx.Process(sleep_for_ever);
  second.start();
  EXPECT_EQ(server_of(second), server);
  second.kill();
}

FRESH_SCENARIO(server_outlived) {
  Process process = get_context("forkserver").Process([] {});
  process.start();
  Process other = get_context("forkserver").Process(sleep_for_ever);
  other.start();
  std::printf("%d\n", server_of(other));
  std::fflush(stdout);
  other.kill();
  process.join();
  ::raise(SIGKILL);
  return 0;
}

TEST_F(ForkServerTest, AServerEndsWithItsProgram) {
  const Captured captured = capture_fresh("server_outlived");
  const pid_t server = std::stoi(captured.output);
  EXPECT_GT(server, 1);
  EXPECT_TRUE(eventually([&] { return ::kill(server, 0) != 0; }, seconds(20)));
}

int preloaded = 0;

FRESH_SCENARIO(preload) {
  set_forkserver_preload([] { preloaded = 9; });
  Process process = get_context("forkserver").Process([] { exit(preloaded); });
  process.start();
  process.join();
  return *process.exitcode();
}

TEST_F(ForkServerTest, ChildrenFindWhatThePreloadMade) {
  EXPECT_EQ(capture_fresh("preload").code, 9);
}

FRESH_SCENARIO(preload_prints) {
  set_forkserver_preload([] { std::printf("once "); });
  for (int i = 0; i < 3; ++i) {
    Process process = get_context("forkserver").Process([] {});
    process.start();
    process.join();
  }
  return 0;
}

TEST_F(ForkServerTest, WhatThePreloadPrintsIsPrintedOnce) {
  EXPECT_EQ(capture_fresh("preload_prints").output, "once ");
}

FRESH_SCENARIO(preload_takes_statuses) {
  set_forkserver_preload([] {
    struct sigaction none {};
    none.sa_handler = SIG_DFL;
    none.sa_flags = SA_NOCLDWAIT;
    ::sigaction(SIGCHLD, &none, nullptr);
  });
  Process process = get_context("forkserver").Process([] { exit(7); });
  process.start();
  return process.join(seconds(20)) ? *process.exitcode() : 1;
}

TEST_F(ForkServerTest, JoinEndsAndKnowsTheExitCodeWhereThePreloadHasStatusesThrownAway) {
  EXPECT_EQ(capture_fresh("preload_takes_statuses").code, 7);
}

// How long the process has run, in clock ticks.
long ticks_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  long user = 0;
  long system = 0;
  EXPECT_EQ(std::sscanf(text.c_str() + text.rfind(')') + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user, &system),
            2);
  return user + system;
}

TEST_F(ForkServerTest, AServerSleepsWhileTheProgramHoldsEndedProcesses) {
  Process ended = ctx.Process([] {});
  Process running = ctx.Process(sleep_for_ever);
  running.start();
  const pid_t server = server_of(running);
  ended.start();
  EXPECT_TRUE(ended.join(seconds(30)));
  const long before = ticks_of(server);
  EXPECT_FALSE(running.join(std::chrono::milliseconds(300)));
  EXPECT_LT(ticks_of(server) - before, ::sysconf(_SC_CLK_TCK) / 10);
  running.kill();
}

}  // namespace
}  // namespace multiprocessing::test
