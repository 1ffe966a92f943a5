// SPDX-License-Identifier: BSL-1.0
#include <pthread.h>

#include <sstream>
#include <stdexcept>
#include <thread>
#include <vector>

#include "process/exit.hpp"
#include "process_test.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::capture;
using mp::test::capture_fresh;
using mp::test::SharedWord;
using testing::HasSubstr;

struct Custom {};
namespace app {
struct Failure : std::runtime_error {
  using runtime_error::runtime_error;
};
}  // namespace app

namespace {

// Runs a target in a Process of a captured program: its exit code, and what was printed.
template <class F> mp::test::Captured run(F target) {
  return capture([&] {
    mp::Process p({.name = "victim"}, target);
    p.start();
    std::printf("pid %d\n", p.pid());
    p.join();
    return p.exitcode().value();
  });
}

std::string pid_in(const std::string& output) {
  const std::size_t at = output.find("pid ") + 4;
  return output.substr(at, output.find('\n', at) - at);
}

// Past the buffers, whose order at the end is another story.
void say(const std::string& line) {
  const std::string text = line + "\n";
  if (::write(STDOUT_FILENO, text.data(), text.size()) < 0) std::abort();
}

using ProcessFailure = mp::test::ProcessTest;
using ProcessFailureByFork = ProcessFailure;

TEST_F(ProcessFailure, AnExceptionThatLeavesTheTargetIsReportedAndGivesCodeOne) {
  const auto [code, output] = run([] { throw std::runtime_error("no such row"); });

  EXPECT_EQ(code, 1);
  EXPECT_THAT(output, HasSubstr("Process victim (" + pid_in(output) +
                                "): std::runtime_error: no such row\n"));
}

TEST_F(ProcessFailure, TheTypeIsTheDynamicOne) {
  EXPECT_THAT(run([] { throw app::Failure("why"); }).output, HasSubstr("): app::Failure: why\n"));
  EXPECT_THAT(run([] { throw mp::ValueError("why"); }).output,
              HasSubstr("): multiprocessing::ValueError: why\n"));
}

TEST_F(ProcessFailure, WhatIsNoExceptionIsReportedByItsTypeAndValue) {
  EXPECT_THAT(run([] { throw 42; }).output, HasSubstr("): int: 42\n"));
  EXPECT_THAT(run([] { throw "text"; }).output, HasSubstr("): char const*: text\n"));
  EXPECT_THAT(run([] { throw std::string("text"); }).output, HasSubstr("): std::string: text\n"));
  EXPECT_THAT(run([] { throw Custom{}; }).output, HasSubstr("): Custom: "));
  EXPECT_EQ(run([] { throw 42; }).code, 1);
}

TEST_F(ProcessFailureByFork, OfASubclassIsReportedToo) {
  struct Failing : mp::Process {
    void run() override { throw std::out_of_range("here"); }
  };
  const auto [code, output] = capture([] {
    Failing p;
    p.start();
    p.join();
    return p.exitcode().value();
  });

  EXPECT_EQ(code, 1);
  EXPECT_THAT(output, HasSubstr("): std::out_of_range: here\n"));
}

TEST_F(ProcessFailure, WhatWasPrintedBeforeComesFirst) {
  const auto output = run([] {
                        std::printf("before");
                        throw 1;
                      }).output;

  EXPECT_LT(output.find("before"), output.find("): int"));
}

TEST_F(ProcessFailure, IsReportedWithStandardErrorClosedTooByTheCodeAlone) {
  const auto [code, output] = run([] {
    ::close(STDERR_FILENO);
    throw 1;
  });

  EXPECT_EQ(code, 1);
}

// ---- mp::exit

struct Noisy {
  std::string text;
  explicit Noisy(std::string t) : text(std::move(t)) {}
  Noisy(const Noisy&) = delete;
  ~Noisy() { say("~" + text); }
};

void exit_from(int depth, int code) {
  const Noisy noisy("frame " + std::to_string(depth));
  if (depth > 0) exit_from(depth - 1, code);
  if (depth == 0) mp::exit(code);
}

using ProcessExit = mp::test::ProcessTest;
using ProcessExitByFork = ProcessExit;

TEST_F(ProcessExit, EndsATargetFromAnyDepthWithItsDestructorsAndSilently) {
  const auto [code, output] = run([] { exit_from(2, 3); });

  EXPECT_EQ(code, 3);
  EXPECT_THAT(output, HasSubstr("~frame 0\n~frame 1\n~frame 2\n"));
  EXPECT_THAT(output, Not(HasSubstr("SystemExit")));
  EXPECT_THAT(output, Not(HasSubstr("Process victim")));
}

TEST_F(ProcessExit, GivesTheCodeModulo256) {
  EXPECT_EQ(run([] { mp::exit(0); }).code, 0);
  EXPECT_EQ(run([] { mp::exit(); }).code, 0);
  EXPECT_EQ(run([] { mp::exit(256); }).code, 0);
  EXPECT_EQ(run([] { mp::exit(-1); }).code, 255);
  EXPECT_EQ(run([] { mp::exit(300); }).code, 44);
}

TEST_F(ProcessExit, IsNoStdException) {
  EXPECT_EQ(run([] {
              try {
                mp::exit(5);
              } catch (const std::exception&) {
                mp::exit(6);
              }
            }).code,
            5);
}

TEST_F(ProcessExit, MayBeSwallowedByCatchAll) {
  EXPECT_EQ(run([] {
              try {
                mp::exit(5);
              } catch (...) {
              }
            }).code,
            0);
}

TEST_F(ProcessExit, InAThreadOfTheTargetEndsTheProcess) {
  const auto [code, output] = run([] {
    std::thread thread([] { exit_from(1, 9); });
    mp::test::sleep_for_ever();
  });

  EXPECT_EQ(code, 9);
  EXPECT_THAT(output, HasSubstr("~frame 0\n~frame 1\n"));
}

TEST_F(ProcessExit, InSeveralThreadsAtOnceEndsOnce) {
  const auto [code, output] = run([] {
    for (int i = 0; i < 8; ++i) std::thread([] { mp::exit(9); }).detach();
    mp::exit(9);
  });

  EXPECT_EQ(code, 9);
}

TEST_F(ProcessExitByFork, PthreadExitOfTheTargetEndsTheProcess) {
  const auto [code, output] = run([] {
    const Noisy noisy("target");
    ::pthread_exit(nullptr);
  });

  EXPECT_EQ(code, 0);
  EXPECT_THAT(output, HasSubstr("~target\n"));
}

const Noisy* global = nullptr;

FRESH_SCENARIO(exit_in_main) {
  static const Noisy noisy_global("global");
  global = &noisy_global;
  const Noisy noisy("main");
  exit_from(1, 7);
  return 0;
}

TEST_F(ProcessExit, WorksInTheMainProgramWithTheDestructorsOfEveryFrame) {
  const auto [code, output] = capture_fresh("exit_in_main");

  EXPECT_EQ(code, 7);
  EXPECT_EQ(output, "~frame 0\n~frame 1\n~main\n~global\n");
}

FRESH_SCENARIO(exit_in_main_swallowed) {
  try {
    mp::exit(7);
  } catch (...) {
    return 8;
  }
}

TEST_F(ProcessExit, MayBeSwallowedInTheMainProgram) {
  EXPECT_EQ(capture_fresh("exit_in_main_swallowed").code, 8);
}

FRESH_SCENARIO(exit_in_thread_of_main) {
  std::thread([] { exit_from(1, 6); }).detach();
  mp::test::sleep_for_ever();
}

TEST_F(ProcessExit, WorksInAThreadOfTheMainProgram) {
  const auto [code, output] = capture_fresh("exit_in_thread_of_main");

  EXPECT_EQ(code, 6);
  EXPECT_EQ(output, "~frame 0\n~frame 1\n");
}

FRESH_SCENARIO(target_calls_std_exit) {
  mp::Process p([] {
    mp::Process grandchild([] {
      std::this_thread::sleep_for(50ms);
      say("grandchild");
    });
    grandchild.start();
    std::exit(4);
  });
  p.start();
  p.join();
  return p.exitcode().value();
}

TEST_F(ProcessExit, StdExitInATargetJoinsItsChildrenToo) {
  const auto [code, output] = capture_fresh("target_calls_std_exit");

  EXPECT_EQ(code, 4);
  EXPECT_EQ(output, "grandchild\n");
}

TEST_F(ProcessExitByFork, TheChildNeverReturnsIntoTheProgram) {
  const auto [code, output] = capture([] {
    const Noisy noisy("caller");
    for (int i = 0; i < 3; ++i) {
      mp::Process p([i] {
        if (i == 1) throw 1;
        if (i == 2) mp::exit(2);
      });
      p.start();
      p.join();
    }
    say("end");
    return 0;
  });

  EXPECT_THAT(output, testing::EndsWith("end\n~caller\n"));
  EXPECT_EQ(output.find("~caller"), output.rfind("~caller"));
}

// ---- the end of the parent

FRESH_SCENARIO(main_ends_with_children) {
  mp::Process daemon({.daemon = true}, mp::test::sleep_for_ever);
  mp::Process child([] {
    std::this_thread::sleep_for(100ms);
    say("child");
  });
  daemon.start();
  child.start();
  return 5;
}

using ProcessEnd = mp::test::ProcessTest;
using ProcessEndByFork = ProcessEnd;

TEST_F(ProcessEnd, OfMainTerminatesDaemonsAndJoinsTheOthers) {
  const auto [code, output] = capture_fresh("main_ends_with_children");

  EXPECT_EQ(code, 5);
  EXPECT_EQ(output, "child\n");
}

FRESH_SCENARIO(main_exits_with_children) {
  const Noisy noisy("main");
  mp::Process child([] {
    std::this_thread::sleep_for(50ms);
    say("child");
  });
  child.start();
  mp::exit(5);
}

TEST_F(ProcessEnd, OfMainByExitJoinsToo) {
  const auto [code, output] = capture_fresh("main_exits_with_children");

  EXPECT_EQ(code, 5);
  EXPECT_EQ(output, "~main\nchild\n");
}

TEST_F(ProcessEndByFork, OfAChildJoinsItsOwnChildren) {
  SharedWord done;
  mp::Process p([&] {
    mp::Process slow([&] {
      std::this_thread::sleep_for(100ms);
      done = 1;
    });
    slow.start();
  });
  p.start();
  p.join();

  EXPECT_EQ(done, 1);
}

TEST_F(ProcessEndByFork, OfAChildTerminatesItsDaemons) {
  SharedWord pid;
  mp::Process p([&] {
    mp::Process daemon({.daemon = true}, mp::test::sleep_for_ever);
    daemon.start();
    pid = daemon.pid();
  });
  p.start();
  p.join();

  EXPECT_EQ(p.exitcode(), 0);
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(ProcessEndByFork, BySignalRunsNothingAndLeavesItsChildren) {
  SharedWord grandchild;
  mp::Process p([&] {
    mp::Process child(mp::test::sleep_for_ever);
    child.start();
    grandchild = child.pid();
    mp::test::sleep_for_ever();
  });
  p.start();
  ASSERT_TRUE(mp::test::eventually([&] { return grandchild != 0; }));

  p.terminate();
  p.join();

  EXPECT_EQ(::kill(grandchild, 0), 0);
  ::kill(grandchild, SIGKILL);
}

FRESH_SCENARIO(finalizers_in_order) {
  const auto saying = [](const char* text) { return [text] { say(text); }; };
  mp::process::add_finalizer(0, saying("0 older"));
  mp::process::add_finalizer(-1, saying("-1"));
  mp::process::add_finalizer(10, saying("10"));
  mp::process::add_finalizer(0, saying("0 newer"));
  mp::process::add_finalizer(5, [] { throw std::runtime_error("swallowed"); });
  const auto removed = mp::process::add_finalizer(3, saying("removed"));
  if (!mp::process::remove_finalizer(removed) || mp::process::remove_finalizer(removed)) return 1;
  mp::Process child([&saying] {
    mp::process::add_finalizer(0, saying("of the child"));
    std::this_thread::sleep_for(50ms);
    say("child");
  });
  child.start();
  return 0;
}

TEST_F(ProcessEndByFork, RunsFinalizersBeforeAndAfterTheJoinsByPriority) {
  const auto [code, output] = capture_fresh("finalizers_in_order");

  EXPECT_EQ(code, 0);
  EXPECT_EQ(output, "10\n0 newer\n0 older\nchild\nof the child\n-1\n");
}

}  // namespace
