// SPDX-License-Identifier: BSL-1.0
// Who a process is to the others while slots change their holders and life words their threads.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <random>
#include <string>
#include <thread>

#include "child.hpp"
#include "fresh_program.hpp"
#include "long_form.hpp"
#include "memory/identity.hpp"
#include "memory/layout.hpp"
#include "process_state.hpp"
#include "step_killer.hpp"
#include "traced_process.hpp"

namespace multiprocessing::memory {
namespace {

using test::Child;

class IdentityTest : public testing::Test {
 protected:
  // A process of that name that has ended.
  [[nodiscard]] Serial ended_process(const char* name) {
    EXPECT_EQ(test::in_child([&] {
                set_own_name(name);
                board_.serial = self();
              }),
              0);
    return board_.serial;
  }

  // The first user makes the arena: a child that came before it would have its own.
  const Serial own_ = self();
  struct Board {
    std::atomic<Serial> serial;
    std::atomic<bool> looked_dead;
    std::atomic<bool> ready;
  };
  Board& board_ = *static_cast<Board*>(
      ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
};

TEST_F(IdentityTest, WhoTakesASlotIsNeverTakenForItsFormerHolder) {
  Serial former = kNobody;
  pid_t pid = 0;
  test::kill_at_every_step({.arrange =
                                [&] {
                                  former = ended_process("Former");
                                  pid = who(former).pid;
                                  mapping().control().next_slot = former % kSlots;
                                },
                            .approach = [] { set_own_name("Successor"); },
                            .act = [] { self(); },
                            .check =
                                [&] {
                                  const ProcessInfo info = who(former);
                                  EXPECT_TRUE(info.pid == 0 || info.pid == pid) << info.pid;
                                  const std::string name = info.name;
                                  EXPECT_TRUE(name.empty() || name == "Former") << name;
                                }});
}

// A process whose life word one thread holds, or no thread, as it is told.
class ThreadByThread {
 public:
  explicit ThreadByThread(std::atomic<Serial>& serial)
      : child_([this, &serial] {
          for (;;) {
            wait_for(request_);
            std::thread holder([&] {
              serial = self();
              answer();
              wait_for(request_);
            });
            holder.join();
            answer();
          }
        }) {}

  /// Lets the next thread have the word, or the one that has it end.
  void change() {
    ASSERT_EQ(::write(request_[1], "x", 1), 1);
    wait_for(answer_);
  }

 private:
  using Pipe = std::array<int, 2>;
  static Pipe make_pipe() {
    Pipe ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    return ends;
  }
  static void wait_for(const Pipe& ends) {
    char byte = 0;
    EXPECT_EQ(::read(ends[0], &byte, 1), 1);
  }
  void answer() const { EXPECT_EQ(::write(answer_[1], "x", 1), 1); }

  Pipe request_ = make_pipe();
  Pipe answer_ = make_pipe();
  Child child_;
};

// Whoever looks is stopped between any two of its instructions, and finds another state then.
TEST_F(IdentityTest, AProcessLivesWhileItsLifeWordGoesFromThreadToThread) {
  ThreadByThread living(board_.serial);
  living.change();
  constexpr int kSteps = 1000;
  std::mt19937 random(1);
  for (int i = 0; i < test::rounds(60, 1000); ++i) {
    test::TracedProcess looks([] { self(); }, [&] { board_.looked_dead = dead(board_.serial); });
    // As long as it does not read what the system says, which takes thousands of steps.
    for (int steps = 0; steps < kSteps; ++steps) {
      if (random() % 8 == 0) living.change();
      if (looks.step() != test::TracedProcess::State::kStopped) break;
    }
    ASSERT_FALSE(board_.looked_dead) << "at the look " << i;
  }
}

// Processes that tell their serial and live until they are killed.
class IdentityOf : public IdentityTest {
 protected:
  void expect_alive_until_killed(Child living) {
    ASSERT_TRUE(test::eventually([&] { return board_.ready.load(); }));
    EXPECT_FALSE(dead(board_.serial));
    living.kill();
    EXPECT_TRUE(dead(board_.serial));
  }
  void tell() { board_.serial = self(); }
};

struct UsesTheLibraryAtItsEnd {
  bool* used = nullptr;
  ~UsesTheLibraryAtItsEnd() {
    self();
    *used = true;
  }
};

TEST_F(IdentityOf, AProcessLivesWhenAThreadUsesTheLibraryInItsLastDestructors) {
  expect_alive_until_killed(Child([&] {
    bool used = false;
    std::thread([&] {
      // Made before the thread's first use of the library, and so destroyed after all that this
      // makes.
      thread_local UsesTheLibraryAtItsEnd late;
      late.used = &used;
      tell();
    }).join();
    board_.ready = used;
    ::pause();
  }));
}

// In a program of its own, for this unwinds main.
FRESH_SCENARIO(main_leaves) {
  std::thread([parent = self()] {
    while (test::state_of(::getpid()) != 'Z') std::this_thread::yield();
    ::_exit(test::in_child([parent] { return dead(parent) ? 1 : 0; }));
  }).detach();
  ::pthread_exit(nullptr);
}

TEST(Identity, OfAProcessWhoseMainThreadHasLeftIsThatOfALivingOne) {
  EXPECT_EQ(::test::run_fresh("main_leaves"), 0);
}

TEST_F(IdentityOf, AChildOfARawCloneIsKnownToLiveAndToBeDead) {
  const auto child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, nullptr));
  if (child == 0) {
    tell();
    board_.ready = true;
    for (;;) ::pause();
  }
  ASSERT_TRUE(test::eventually([&] { return board_.ready.load(); }));
  EXPECT_FALSE(dead(board_.serial));

  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);

  EXPECT_TRUE(dead(board_.serial));
}

TEST_F(IdentityOf, AProcessLivesWhoseThreadEndedWhileThereWereNoDescriptorsLeft) {
  expect_alive_until_killed(Child([&] {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_NOFILE, &none);
    std::thread([&] { tell(); }).join();
    board_.ready = true;
    ::pause();
  }));
}

}  // namespace
}  // namespace multiprocessing::memory
