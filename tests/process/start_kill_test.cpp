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
#include <map>
#include <multiprocessing/context.hpp>

#include "memory/identity.hpp"
#include "os/spin.hpp"
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

// A child that looks for the word of its parent; the parent gives it and is killed at once, while
// the child stands still.
class LookForGo {
 public:
  LookForGo() {
    EXPECT_TRUE(eventually([&] { return serial_ != 0; }));
  }
  LookForGo(const LookForGo&) = delete;
  LookForGo& operator=(const LookForGo&) = delete;
  ~LookForGo() { ::munmap(&record_, sizeof record_); }

  [[nodiscard]] TracedProcess& child() noexcept { return child_; }

  // What the child makes of it.
  process::Go hear() {
    speak_ = 1;
    EXPECT_EQ(parent_.wait(), -SIGKILL);
    while (child_.next_system_call() != TracedProcess::State::kEnded) {
    }
    return static_cast<process::Go>(static_cast<int>(heard_));
  }

 private:
  process::ExitRecord& record_ = *static_cast<process::ExitRecord*>(
      ::mmap(nullptr, sizeof(process::ExitRecord), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  SharedWord serial_;
  SharedWord speak_;
  SharedWord heard_;
  Child parent_{[this] {
    serial_ = static_cast<int>(memory::self());
    speak_.await(1);
    record_.tell(process::Go::kGo);
    ::raise(SIGKILL);
  }};
  TracedProcess child_{[this] { static_cast<void>(eventually([&] { return serial_ != 0; })); },
                       [this] {
                         const auto parent = static_cast<memory::Serial>(static_cast<int>(serial_));
                         heard_ = static_cast<int>(record_.await_go(parent));
                       }};
};

// The instructions of a look until it sleeps, each with how often it has been passed.
std::vector<std::pair<std::uintptr_t, int>> path_of_a_look() {
  LookForGo look;
  std::vector<std::pair<std::uintptr_t, int>> path;
  std::map<std::uintptr_t, int> passes;
  do {
    const std::uintptr_t here = look.child().instruction();
    if (path.empty() || path.back().first != here) path.emplace_back(here, ++passes[here]);
  } while (look.child().step() == TracedProcess::State::kStopped);
  EXPECT_EQ(look.hear(), process::Go::kGo);
  return path;
}

// As on one CPU, where nobody looks again and again before it sleeps.
FRESH_SCENARIO(word_at_each_instruction) {
  cpu_set_t all;
  ::sched_getaffinity(0, sizeof all, &all);
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
  ::sched_setaffinity(0, sizeof one, &one);
  static_cast<void>(os::may_run_on_several_cpus());
  ::sched_setaffinity(0, sizeof all, &all);
  static_cast<void>(memory::self());

  const auto path = path_of_a_look();
  for (std::size_t i = 0; i < path.size(); i += long_form() ? 1 : 19) {
    LookForGo look;
    look.child().run_to(path[i].first, path[i].second);
    if (look.hear() == process::Go::kGo) continue;
    std::fprintf(stderr, "not heard before instruction %zu of %zu\n", i, path.size());
    return 1;
  }
  return path.size() > 50 ? 0 : 2;
}

TEST(StartWordTest, AChildHearsTheWordOfAParentThatIsKilledRightAfterIt) {
  const Watchdog watchdog(seconds(100));
  const Captured captured = capture_fresh("word_at_each_instruction");
  EXPECT_EQ(captured.code, 0) << captured.output;
}

}  // namespace
}  // namespace multiprocessing::test
