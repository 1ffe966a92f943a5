// SPDX-License-Identifier: BSL-1.0
#include <poll.h>
#include <sys/wait.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "long_form.hpp"
#include "process/child.hpp"
#include "process_test.hpp"
#include "signal_storm.hpp"

namespace mp = multiprocessing;
using namespace std::chrono_literals;
using mp::test::in_child;
using mp::test::SharedWord;
using mp::test::sleep_for_ever;

namespace {

using ProcessReaping = mp::test::ProcessTest;
using ProcessReapingByFork = ProcessReaping;

int open_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    ++count;
  }
  return count;
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) >= 0; }

mp::Process started(void (*target)(int), int argument) {
  mp::Process p(target, argument);
  p.start();
  return p;
}

void end_with(int code) { mp::exit(code); }

TEST_F(ProcessReaping, SeveralThreadsThatJoinAllSeeTheExitcode) {
  for (int round = 0; round < 50; ++round) {
    mp::Process p(end_with, 7);
    p.start();
    std::vector<std::thread> threads;
    std::atomic<int> right{0};
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        if (p.join() && p.exitcode() == 7 && !p.is_alive()) ++right;
      });
    }
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(right, 8);
  }
}

TEST_F(ProcessReaping, JoinIsNotDisturbedBySignals) {
  mp::Process p([] { std::this_thread::sleep_for(100ms); });
  p.start();
  const mp::test::SignalStorm storm;

  EXPECT_FALSE(p.join(20ms));
  EXPECT_TRUE(p.join());
  EXPECT_EQ(p.exitcode(), 0);
}

TEST_F(ProcessReaping, AProgramThatIgnoresSigchldLearnsTheExitcodes) {
  EXPECT_EQ(in_child([] {
              ::signal(SIGCHLD, SIG_IGN);
              mp::Process p = started(end_with, 9);
              p.join();
              return p.exitcode().value();
            }),
            9);
}

TEST_F(ProcessReaping, AProgramThatWantsNoZombiesLearnsTheExitcodes) {
  EXPECT_EQ(in_child([] {
              struct sigaction action {};
              action.sa_handler = SIG_DFL;
              action.sa_flags = SA_NOCLDWAIT;
              ::sigaction(SIGCHLD, &action, nullptr);
              for (int i = 0; i < 50; ++i) {
                mp::Process p = started(end_with, 9);
                p.join();
                if (p.exitcode() != 9) return 1;
              }
              ::sigaction(SIGCHLD, nullptr, &action);
              return (action.sa_flags & SA_NOCLDWAIT) != 0 ? 0 : 2;
            }),
            0);
}

TEST_F(ProcessReaping, TheProgramsOwnChildrenCanBeWaitedForInAnyOrder) {
  EXPECT_EQ(in_child([] {
              constexpr int kOwn = 20;
              std::vector<mp::Process> processes;
              std::vector<pid_t> own;
              for (int i = 0; i < kOwn; ++i) {
                own.push_back(::fork());
                if (own.back() == 0) ::_exit(i);
                processes.push_back(started(end_with, i));
              }
              for (auto& p : processes) p.join();
              if (!mp::active_children().empty()) return 1;
              for (int i = kOwn; i-- > 0;) {
                int status = 0;
                const pid_t pid = own[static_cast<std::size_t>(i)];
                if (::waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != i) return 2;
                if (processes[static_cast<std::size_t>(i)].exitcode() != i) return 3;
              }
              return has_children() ? 4 : 0;
            }),
            0);
}

// Takes the status of every child away, as a program of its own might.
void take_all(int) {
  const int error = errno;
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  errno = error;
}

TEST_F(ProcessReaping, AHandlerThatTakesEveryStatusLeavesTheExitcodes) {
  EXPECT_EQ(in_child([] {
              ::signal(SIGCHLD, take_all);
              for (int i = 0; i < 200; ++i) {
                mp::Process p = started(end_with, 9);
                p.join();
                if (p.exitcode() != 9) return 1;
              }
              return 0;
            }),
            0);
}

TEST_F(ProcessReaping, AThreadThatTakesEveryStatusLeavesTheExitcodes) {
  EXPECT_EQ(in_child([] {
              std::thread([] {
                for (;;) {
                  if (::waitpid(-1, nullptr, 0) < 0) std::this_thread::yield();
                }
              }).detach();
              for (int i = 0; i < 200; ++i) {
                mp::Process p = started(end_with, 9);
                p.join();
                if (p.exitcode() != 9) return 1;
              }
              return 0;
            }),
            0);
}

TEST_F(ProcessReaping, IsAliveAndActiveChildrenEndThereToo) {
  EXPECT_EQ(in_child([] {
              ::signal(SIGCHLD, SIG_IGN);
              mp::Process p = started(end_with, 3);
              if (!mp::test::eventually([&] { return !p.is_alive(); })) return 1;
              if (!mp::active_children().empty()) return 2;
              return p.exitcode() == 3 ? 0 : 3;
            }),
            0);
}

TEST_F(ProcessReaping, AStolenStatusComesFromTheKernelElseFromTheChildElseIs255) {
  using mp::process::ending_of_stolen;
  using mp::process::ExitReport;
  const ExitReport none;
  const ExitReport report{.written = true, .clean = true, .exitcode = 4};

  EXPECT_EQ(ending_of_stolen(W_EXITCODE(7, 0), none).exitcode, 7);
  EXPECT_FALSE(ending_of_stolen(W_EXITCODE(7, 0), none).clean);
  EXPECT_EQ(ending_of_stolen(SIGKILL, report).exitcode, -SIGKILL);
  EXPECT_FALSE(ending_of_stolen(SIGKILL, report).clean);
  EXPECT_EQ(ending_of_stolen(std::nullopt, report).exitcode, 4);
  EXPECT_TRUE(ending_of_stolen(std::nullopt, report).clean);
  EXPECT_EQ(ending_of_stolen(std::nullopt, none).exitcode, 255);
  EXPECT_TRUE(ending_of_stolen(std::nullopt, none).guessed);
}

TEST_F(ProcessReaping, AChildReportsItsCodeBeforeItLeaves) {
  // The report is what is left where neither waitid nor the kernel (before 6.15) tells.
  mp::process::RecordHandle record = mp::process::take_record(mp::process::RecordPlace::kInherited);
  EXPECT_FALSE(record->read_report().written);

  record->write_report(-1, true);

  EXPECT_TRUE(record->read_report().written);
  EXPECT_TRUE(record->read_report().clean);
  EXPECT_EQ(record->read_report().exitcode, 255);
}

TEST_F(ProcessReaping, TheProgramsOwnChildrenAndTheirStatusesStay) {
  EXPECT_EQ(in_child([] {
              const pid_t own = ::fork();
              if (own == 0) ::_exit(33);
              for (int i = 0; i < 20; ++i) {
                mp::Process p = started(end_with, 1);
                p.join();
                (void)mp::active_children();
              }
              int status = 0;
              if (::waitpid(own, &status, 0) != own) return 1;
              return WEXITSTATUS(status) == 33 ? 0 : 2;
            }),
            0);
}

SharedWord* signals_seen = nullptr;

TEST_F(ProcessReaping, TheProgramsSigchldHandlerStays) {
  SharedWord seen;
  signals_seen = &seen;
  EXPECT_EQ(in_child([] {
              ::signal(SIGCHLD, [](int) { ++*signals_seen; });
              mp::Process p = started(end_with, 1);
              p.join();
              const bool told = mp::test::eventually([] { return *signals_seen > 0; });
              struct sigaction now {};
              ::sigaction(SIGCHLD, nullptr, &now);
              return told && now.sa_handler != SIG_DFL ? 0 : 1;
            }),
            0);
}

TEST_F(ProcessReaping, ThousandsOfStartsLeaveNoZombieAndNoDescriptor) {
  EXPECT_EQ(in_child([] {
              // A start by the other methods takes longer.
              const int all = mp::get_start_method() == "fork" ? 100'000 : 20'000;
              const int rounds = mp::test::rounds(1'000, all);
              (void)mp::current_process();
              started(end_with, 0).join();
              const int before = open_descriptors();
              for (int i = 0; i < rounds; ++i) {
                mp::Process p = started(end_with, 0);
                p.join();
                if (p.exitcode() != 0) return 1;
              }
              if (has_children()) return 2;
              return open_descriptors() == before ? 0 : 3;
            }),
            0);
}

TEST_F(ProcessReaping, StartsThatNobodyJoinsLeaveFewZombies) {
  EXPECT_EQ(in_child([] {
              (void)started(end_with, 0).join();
              const int before = open_descriptors();
              for (int i = 0; i < 500; ++i) started(end_with, 0);
              const bool none = mp::test::eventually([] { return mp::active_children().empty(); },
                                                     std::chrono::seconds(20));
              if (!none || has_children()) return 1;
              return open_descriptors() == before ? 0 : 2;
            }),
            0);
}

TEST_F(ProcessReaping, StartTakesTheStatusesOfThoseThatHaveEnded) {
  EXPECT_EQ(in_child([] {
              mp::Process first = started(end_with, 0);
              pollfd entry{first.sentinel(), POLLIN, 0};
              ::poll(&entry, 1, -1);
              mp::Process second([] { sleep_for_ever(); });
              second.start();
              const bool gone = ::kill(first.pid(), 0) != 0;
              second.kill();
              second.join();
              return gone ? 0 : 1;
            }),
            0);
}

TEST_F(ProcessReaping, AChildStoppedByADebuggerOrASignalIsNotEnded) {
  mp::Process p([] { sleep_for_ever(); });
  p.start();
  p.send_signal(SIGSTOP);

  EXPECT_FALSE(p.join(50ms));
  EXPECT_TRUE(p.is_alive());

  p.send_signal(SIGCONT);
  p.kill();
  p.join();
}

TEST_F(ProcessReapingByFork, AGrandchildThatLivesOnDoesNotKeepTheSentinel) {
  SharedWord pid;
  mp::Process p([&] {
    const pid_t grandchild = ::fork();
    if (grandchild == 0) sleep_for_ever();
    pid = grandchild;
  });
  p.start();

  EXPECT_TRUE(p.join(20s));
  EXPECT_EQ(p.exitcode(), 0);
  ::kill(pid, SIGKILL);
}

TEST_F(ProcessReaping, ARawForkOfAChildThatReturnsReportsNothingOfItsOwn) {
  mp::Process p([] {
    if (::fork() == 0) mp::exit(77);
    std::this_thread::sleep_for(50ms);
    mp::exit(5);
  });
  p.start();
  p.join();

  EXPECT_EQ(p.exitcode(), 5);
}

}  // namespace
