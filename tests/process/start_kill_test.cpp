// SPDX-License-Identifier: BSL-1.0
// Kills while a process starts: of the parent, and of the fork server, at each system call.
//
// What others see of a start happens in system calls and in the stores between two of them, which
// stand for themselves: a record is written by one store.
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>

#include <cstdlib>
#include <multiprocessing/context.hpp>

#include "memory/identity.hpp"
#include "process/exit_record.hpp"
#include "process_test.hpp"
#include "traced_process.hpp"

namespace multiprocessing::test {
namespace {

using std::chrono::seconds;

constexpr int kMostCalls = 400;  // more than a start has, counted at their begin and their end

class StartKillTest : public ProcessTest, public testing::WithParamInterface<std::string> {
 protected:
  const Context ctx = get_context(GetParam());
};

INSTANTIATE_TEST_SUITE_P(All, StartKillTest, testing::Values("fork", "spawn", "forkserver"),
                         [](const auto& each) { return each.param; });

// Whether it came to its n-th stop.
bool kill_at_system_call(const std::function<void()>& act, int n) {
  TracedProcess victim([] {}, act);
  for (int i = 0; i < n; ++i) {
    auto state = victim.next_system_call();
    while (state == TracedProcess::State::kBlocked) state = victim.next_system_call();
    if (state == TracedProcess::State::kEnded) return false;
  }
  return true;
}

TEST_P(StartKillTest, AParentKilledAtAnySystemCallLeavesNoProcessThatHangs) {
  const int step = long_form() ? 1 : 7;
  bool killed = true;
  for (int n = 1; killed && n < kMostCalls; n += step) {
    // Ends when every process has ended that holds its standard output.
    const Captured captured = capture([&] {
      return kill_at_system_call(
                 [&] {
                   Process process = ctx.Process(
                       [](const std::string& text) { std::printf("ran %s\n", text.c_str()); },
                       std::string("whole"));
                   process.start();
                 },
                 n)
                 ? 1
                 : 0;
    });
    killed = captured.code == 1;
    EXPECT_THAT(captured.output, testing::AnyOf("", "ran whole\n")) << "killed at stop " << n;
  }
  EXPECT_FALSE(killed);
}

// Follows the system calls of a process that is none of its children, and kills it at the n-th stop
// from now on. For a process of its own: who ends lets go of what it follows.
class Killer {
 public:
  Killer(pid_t victim, int n)
      : process_([=, this] {
          ::ptrace(PTRACE_SEIZE, victim, nullptr, nullptr);
          ::ptrace(PTRACE_INTERRUPT, victim, nullptr, nullptr);
          ::waitpid(victim, nullptr, __WALL);
          follows_ = 1;
          for (int i = 0; i < n; ++i) {
            ::ptrace(PTRACE_SYSCALL, victim, nullptr, nullptr);
            ::waitpid(victim, nullptr, __WALL);
          }
          ::kill(victim, SIGKILL);
          return 0;
        }) {
    follows_.await(1);
  }
  [[nodiscard]] bool kills() {
    return eventually([this] { return process_.ended(); }, std::chrono::milliseconds(300));
  }

 private:
  SharedWord follows_;
  Child process_;
};

FRESH_SCENARIO(server_killed_at_each_call) {
  set_forkserver_preload([] { ::prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); });
  const Context ctx = get_context("forkserver");
  const Value<int> runs(0);
  const auto run = [&] {
    Process process = ctx.Process(
        [](Value<int> count) {
          count.value() += 1;
          exit(5);
        },
        runs);
    process.start();
    return process.join(seconds(30)) && process.exitcode() == 5;
  };
  for (int n = 1; n < kMostCalls; ++n) {
    Process sleeper = ctx.Process(sleep_for_ever);
    sleeper.start();
    Killer killer(parent_of(sleeper.pid()), n);
    const bool good = run();
    sleeper.kill();
    const bool ended = sleeper.join(seconds(30)) && sleeper.exitcode() == -SIGKILL;
    if (!good || !ended || runs.value() != n) {
      std::fprintf(stderr, "stop %d: %d, the other %d, %d runs\n", n, good ? 1 : 0,
                   sleeper.exitcode().value_or(0), runs.value());
      return 1;
    }
    // It had nothing left to do at last.
    if (!killer.kills()) return n < 20 ? 2 : 0;
  }
  return 3;
}

TEST(ForkServerKillTest, AServerKilledAtAnySystemCallOfAStartHasTheChildRunOnce) {
  const Watchdog watchdog(seconds(100));
  const Captured captured = capture_fresh("server_killed_at_each_call");
  EXPECT_EQ(captured.code, 0) << captured.output;
}

// A child that looks for the word of its parent, and a parent that gives it and is killed at once,
// when the child stands before the n-th instruction of its look.
class LookForGo {
 public:
  static constexpr int kTillItSleeps = 100'000;

  LookForGo()
      : record_(*static_cast<process::ExitRecord*>(::mmap(nullptr, sizeof(process::ExitRecord),
                                                          PROT_READ | PROT_WRITE,
                                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0))) {}
  LookForGo(const LookForGo&) = delete;
  LookForGo& operator=(const LookForGo&) = delete;
  ~LookForGo() { ::munmap(&record_, sizeof record_); }

  // How many instructions it did; `heard` is set to what it made of it in the end.
  int stand_before(int n, process::Go& heard) {
    SharedWord serial;
    SharedWord speak;
    SharedWord result;
    Child parent([&] {
      serial = static_cast<int>(memory::self());
      speak.await(1);
      record_.tell(process::Go::kGo);
      ::raise(SIGKILL);
    });
    EXPECT_TRUE(eventually([&] { return serial != 0; }));
    TracedProcess child(
        [] {},
        [&] {
          const int parents = serial;
          result = static_cast<int>(record_.await_go(static_cast<memory::Serial>(parents)));
        });
    int done = 0;
    auto state = TracedProcess::State::kStopped;
    while (done < n && state == TracedProcess::State::kStopped) {
      state = child.step();
      ++done;
    }
    speak = 1;
    EXPECT_EQ(parent.wait(), -SIGKILL);
    while (state != TracedProcess::State::kEnded) state = child.next_system_call();
    heard = static_cast<process::Go>(static_cast<int>(result));
    return done;
  }

 private:
  process::ExitRecord& record_;
};

// On one CPU, where nobody looks again and again before it sleeps.
FRESH_SCENARIO(word_at_each_instruction) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
  ::sched_setaffinity(0, sizeof one, &one);
  static_cast<void>(memory::self());
  auto heard = process::Go::kWait;
  const int asleep = LookForGo().stand_before(LookForGo::kTillItSleeps, heard);
  if (asleep == LookForGo::kTillItSleeps) return 2;
  for (int n = asleep; n > 0 && heard == process::Go::kGo; n -= long_form() ? 1 : 11) {
    LookForGo().stand_before(n, heard);
    if (heard != process::Go::kGo) std::fprintf(stderr, "not heard before instruction %d\n", n);
  }
  return heard == process::Go::kGo ? 0 : 1;
}

TEST(StartWordTest, AChildHearsTheWordOfAParentThatIsKilledRightAfterIt) {
  const Watchdog watchdog(seconds(100));
  const Captured captured = capture_fresh("word_at_each_instruction");
  EXPECT_EQ(captured.code, 0) << captured.output;
}

}  // namespace
}  // namespace multiprocessing::test
