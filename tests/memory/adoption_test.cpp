// SPDX-License-Identifier: BSL-1.0
// Forked children killed while they take references of their own: until then they live on those of
// their parent, which puts off its drops for that long and no longer.
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <new>
#include <utility>

#include "memory/arena.hpp"
#include "memory/object.hpp"
#include "step_killer.hpp"

namespace multiprocessing::memory {
namespace {

struct Cell : ObjectHeader {
  static constexpr ObjectKind kKind = ObjectKind::kMemory;
  std::atomic<int> value{7};
};

enum class Before { kGoOn, kStop, kBeTraced };
Before before_adoption = Before::kGoOn;  // what a forked child does first

// Registered before the library's own handler, so the child runs it first.
[[maybe_unused]] const int kRegistered = ::pthread_atfork(nullptr, nullptr, [] {
  const Before what = std::exchange(before_adoption, Before::kGoOn);
  if (what == Before::kBeTraced) ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  if (what != Before::kGoOn) ::raise(SIGSTOP);
});

AdoptionWord* make_word() {
  void* where = ::mmap(nullptr, sizeof(AdoptionWord), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return ::new (where) AdoptionWord(0);
}

pid_t fork_with(AdoptionWord* word, const std::function<int()>& f) {
  expect_adoption_in(word);
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(f());
  expect_adoption_in(nullptr);
  return pid;
}

int exit_code_of(pid_t pid) {
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class Adoption : public testing::Test {
 protected:
  Adoption() {
    note_death();
    deallocate(allocate(100));
    blocks_ = usage().blocks;
  }
  ~Adoption() override {
    expect_adoption_in(nullptr);
    before_adoption = Before::kGoOn;
  }

  static std::size_t blocks() {
    note_death();
    return usage().blocks;
  }

  std::size_t blocks_ = 0;
};

TEST_F(Adoption, KilledAnywhereKeepsThePutOffDropsUntilTheChildIsForgottenAndNoLonger) {
  AdoptionWord* const word = make_word();
  Handle kept = make_object<Cell>();
  Handle dropped;

  const auto report = test::kill_at_every_step({.arrange =
                                                    [&] {
                                                      dropped = make_object<Cell>();
                                                      expect_adoption_in(word);
                                                      before_adoption = Before::kBeTraced;
                                                    },
                                                .approach =
                                                    [] {
                                                      for (;;) ::pause();
                                                    },
                                                .meanwhile =
                                                    [&] {
                                                      before_adoption = Before::kGoOn;
                                                      expect_adoption_in(nullptr);
                                                      dropped = {};
                                                      EXPECT_EQ(blocks(), blocks_ + 2)
                                                          << "it was freed early";
                                                    },
                                                .check =
                                                    [&] {
                                                      forget_child(*word);
                                                      EXPECT_EQ(blocks(), blocks_ + 1)
                                                          << "the drop is still put off";
                                                      EXPECT_EQ(kept.as<Cell>().value, 7);
                                                    }});

  EXPECT_GT(report.instructions, 500);
  kept = {};
  EXPECT_EQ(blocks(), blocks_);
}

TEST_F(Adoption, OfOneChildDoesNotEndTheWaitForAnother) {
  AdoptionWord* const words[] = {make_word(), make_word()};
  Handle cell = make_object<Cell>();
  before_adoption = Before::kStop;
  const pid_t slow = fork_with(words[0], [&] { return cell.as<Cell>().value.load(); });
  before_adoption = Before::kGoOn;
  ASSERT_EQ(::waitpid(slow, nullptr, WUNTRACED), slow);
  ASSERT_EQ(exit_code_of(fork_with(words[1], [&] { return cell.as<Cell>().value.load(); })), 7);

  cell = {};
  forget_child(*words[1]);

  EXPECT_EQ(blocks(), blocks_ + 1);
  ::kill(slow, SIGCONT);
  EXPECT_EQ(exit_code_of(slow), 7);
  forget_child(*words[0]);
  EXPECT_EQ(blocks(), blocks_);
}

TEST_F(Adoption, ByLaterChildrenHoldsUpNoDropThatCameBeforeThem) {
  AdoptionWord* const words[] = {make_word(), make_word()};
  Handle first = make_object<Cell>();
  Handle second = make_object<Cell>();
  before_adoption = Before::kStop;
  const pid_t early = fork_with(words[0], [] { return 0; });
  ASSERT_EQ(::waitpid(early, nullptr, WUNTRACED), early);
  first = {};
  const pid_t late = fork_with(words[1], [] { return 0; });
  ASSERT_EQ(::waitpid(late, nullptr, WUNTRACED), late);
  second = {};
  EXPECT_EQ(blocks(), blocks_ + 2);

  ::kill(early, SIGKILL);
  exit_code_of(early);
  forget_child(*words[0]);

  EXPECT_EQ(blocks(), blocks_ + 1);
  ::kill(late, SIGKILL);
  exit_code_of(late);
  forget_child(*words[1]);
  EXPECT_EQ(blocks(), blocks_);
}

}  // namespace
}  // namespace multiprocessing::memory
