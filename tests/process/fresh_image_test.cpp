// SPDX-License-Identifier: BSL-1.0
// What is special about children in a fresh image: spawn and forkserver.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <multiprocessing/context.hpp>
#include <system_error>
#include <thread>

#include "environment.hpp"
#include "memory/object.hpp"
#include "os/fresh_image.hpp"
#include "process_test.hpp"

// Names a descriptor that nobody has open.
struct NoDescriptor {
  int fd = 1'000'000;
};
template <> struct multiprocessing::detail::Traveller<NoDescriptor> {
  static void encode(Encoder& encoder, const NoDescriptor& none) {
    encoder.write_descriptor(none.fd);
  }
  static NoDescriptor decode(Decoder& decoder) { return {decoder.read_descriptor()}; }
};

namespace multiprocessing::test {
namespace {

using std::chrono::seconds;

class FreshImageTest : public ProcessTest, public testing::WithParamInterface<std::string> {
 protected:
  const Context ctx = get_context(GetParam());
};

INSTANTIATE_TEST_SUITE_P(Both, FreshImageTest, testing::Values("spawn", "forkserver"),
                         [](const auto& each) { return each.param; });

TEST_P(FreshImageTest, WhatCannotGoIsATypeErrorThatNamesItAndNothingStarts) {
  int captured = 3;
  Process lambda = ctx.Process([captured] { exit(captured); });
  try {
    lambda.start();
    ADD_FAILURE();
  } catch (const TypeError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("lambda"));
    EXPECT_THAT(error.what(), testing::HasSubstr("mp::partial"));
  }
  EXPECT_EQ(lambda.pid(), 0);
  Process reference = ctx.Process([](int&) {}, std::ref(captured));
  EXPECT_THROW(reference.start(), TypeError);
  Process bound = ctx.Process(std::function<void()>([] {}));
  EXPECT_THROW(bound.start(), TypeError);
}

struct Plain : Process {
  using Process::Process;
  void run() override {}
};

TEST_P(FreshImageTest, APlainSubclassIsATypeErrorThatSaysWhatToWrite) {
  Plain process = ctx.Process(Plain());
  try {
    process.start();
    ADD_FAILURE();
  } catch (const TypeError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("ProcessOf<"));
    EXPECT_THAT(error.what(), testing::HasSubstr("Plain"));
  }
}

int changed_in_this_process = 0;

TEST_P(FreshImageTest, TheChildHasTheProgramsStaticsAndNotTheParents) {
  changed_in_this_process = 5;
  Process process = ctx.Process([] { exit(changed_in_this_process); });
  process.start();
  EXPECT_TRUE(process.join(seconds(30)));
  EXPECT_EQ(process.exitcode(), 0);
}

// What the descriptors of this process are, but the one that the listing itself needs.
std::vector<std::string> open_files() {
  std::vector<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const auto file = std::filesystem::read_symlink(entry.path(), gone);
    if (!gone && file != "/proc/" + std::to_string(::getpid()) + "/fd") result.push_back(file);
  }
  return result;
}

TEST_P(FreshImageTest, TheChildHasNoDescriptorsButItsOwn) {
  const int inheritable = ::open("/etc/passwd", O_RDONLY);  // NOLINT: not close-on-exec on purpose
  const Queue<std::vector<std::string>> q;
  Process process =
      ctx.Process([](const Queue<std::vector<std::string>>& to) { to.put(open_files()); }, q);
  process.start();
  // The standard streams, the arena, and both ends of the socket for descriptors in messages.
  const auto files = q.get(seconds(30));
  EXPECT_EQ(files.size(), 6U) << testing::PrintToString(files);
  EXPECT_EQ(std::count(files.begin(), files.end(), "/etc/passwd"), 0);
  EXPECT_TRUE(process.join(seconds(30)));
  ::close(inheritable);
}

TEST_P(FreshImageTest, AProgramThatCannotBeExecutedIsAnErrorOfStart) {
  const Captured captured = capture([&] {
    set_executable("/nonexistent/program");
    Process process = ctx.Process([] {});
    try {
      process.start();
      return 1;
    } catch (const std::system_error& error) {
      if (error.code().value() != ENOENT) return 2;
    }
    set_executable("");
    process.start();
    process.join();
    return *process.exitcode();
  });
  EXPECT_EQ(captured.code, 0) << captured.output;
}

TEST_P(FreshImageTest, WithoutRoomForDescriptorsStartIsAnErrorAndMayBeTriedAgain) {
  const int code = in_child([&] {
    Process process = ctx.Process([] {});
    rlimit all{};
    ::getrlimit(RLIMIT_NOFILE, &all);
    static_cast<void>(current_process());
    const Queue<int> makes_the_arena;
    rlimit none = all;
    none.rlim_cur = 7;
    std::vector<int> rest;
    ::setrlimit(RLIMIT_NOFILE, &none);
    for (int fd = 0; (fd = ::dup(0)) >= 0;) rest.push_back(fd);
    try {
      process.start();
      return 1;
    } catch (const std::system_error& error) {
      if (error.code().value() != EMFILE) return 2;
    }
    ::setrlimit(RLIMIT_NOFILE, &all);
    for (const int fd : rest) ::close(fd);
    process.start();
    process.join();
    return *process.exitcode();
  });
  EXPECT_EQ(code, 0);
}

TEST_P(FreshImageTest, AChildThatCannotBeToldWhatItIsForLeavesNothing) {
  const int code = in_child([&] {
    Process process = ctx.Process([](NoDescriptor) {}, NoDescriptor());
    try {
      process.start();
      return 1;
    } catch (const std::system_error& error) {
      if (error.code().value() != EBADF) return 2;
    }
    if (memory::children_depend_on_references()) return 3;
    return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD ? 0 : 4;
  });
  EXPECT_EQ(code, 0);
}

// A sanitizer needs address space of its own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_P(FreshImageTest, WithoutRoomForAnotherProcessStartIsAnErrorAndMayBeTriedAgain) {
  const int code = in_child([&] {
    const Queue<int> makes_the_arena;
    Process process = ctx.Process([] {});
    rlimit all{};
    ::getrlimit(RLIMIT_AS, &all);
    rlimit none = all;
    none.rlim_cur = 1;
    ::setrlimit(RLIMIT_AS, &none);
    int error = 0;
    try {
      process.start();
    } catch (const std::system_error& refused) {
      error = refused.code().value();
    }
    ::setrlimit(RLIMIT_AS, &all);
    if (error != ENOMEM) return error == 0 ? 1 : 2;
    process.start();
    process.join();
    return *process.exitcode();
  });
  EXPECT_EQ(code, 0);
}
#endif

TEST_P(FreshImageTest, AChildThatDiesBeforeItReadsItsArgumentsIsOneThatDied) {
  const Captured captured = capture([&] {
    // It takes none of what it is handed, and there is more of it than a socket holds.
    set_executable("/bin/false");
    Process process = ctx.Process([](const std::string&) {}, std::string(5'000'000, 'x'));
    try {
      process.start();
    } catch (const RuntimeError& error) {
      std::printf("%s\n", error.what());
      return 3;
    }
    process.join();
    return *process.exitcode();
  });
  if (GetParam() == "spawn") {
    EXPECT_EQ(captured.code, 1) << captured.output;
  } else {
    EXPECT_EQ(captured.code, 3);
    EXPECT_THAT(captured.output, testing::HasSubstr("the fork server ended at its start"));
  }
}

// Kills the first child that its parent gets, at once.
bool kill_first_child_of(pid_t parent) {
  const std::string list =
      "/proc/" + std::to_string(parent) + "/task/" + std::to_string(parent) + "/children";
  for (;;) {
    std::ifstream file(list);
    for (pid_t child = 0; file >> child;) {
      if (child != ::getpid()) return ::kill(child, SIGKILL) == 0;
    }
  }
}

TEST_P(FreshImageTest, AChildThatIsKilledAsSoonAsItIsThereEndsAsKilled) {
  for (int i = 0; i < (long_form() ? 300 : 20); ++i) {
    const Captured captured = capture([&] {
      pid_t parent = ::getpid();
      if (GetParam() == "forkserver") {
        Process other = ctx.Process(sleep_for_ever);
        other.start();
        parent = parent_of(other.pid());
        other.kill();
        other.join();
      }
      Child killer([&] { return kill_first_child_of(parent); });
      Process process =
          ctx.Process([](const std::string&) { sleep_for_ever(); }, std::string(1'000'000, 'x'));
      process.start();
      process.join();
      return killer.wait() == 0 && process.exitcode() == -SIGKILL ? 0 : 1;
    });
    EXPECT_EQ(captured.code, 0) << captured.output;
  }
}

FRESH_SCENARIO(parent_dies_while_a_child_starts) {
  const Context ctx = get_context(test::variable("METHOD"));
  Process process = ctx.Process([](const std::string&) {}, std::string(100'000, 'x'));
  process.start();
  ::raise(SIGKILL);
  return 0;
}

// The pids of the processes of this test program's name whose parent is not the test.
bool orphan_that_starts() {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::error_code other;
    const auto program = std::filesystem::read_symlink(entry.path() / "exe", other);
    if (other || program != std::filesystem::read_symlink("/proc/self/exe")) continue;
    std::ifstream file(entry.path() / "cmdline");
    std::string line;
    std::getline(file, line, '\0');
    std::getline(file, line, '\0');
    if (line == "--multiprocessing-fork") return true;
  }
  return false;
}

FRESH_SCENARIO(set_once) {
  set_start_method("spawn");
  if (get_start_method() != "spawn") return 1;
  try {
    set_start_method("fork");
    return 2;
  } catch (const RuntimeError&) {
  }
  set_start_method("forkserver", true);
  return get_start_method() == "forkserver" ? 0 : 3;
}

TEST(StartMethods, AreSetOnce) { EXPECT_EQ(::test::run_fresh("set_once"), 0); }

TEST(StartMethods, AreChosenByTheirFirstUse) {
  EXPECT_EQ(in_child([] {
              Process process([] {});
              process.start();
              process.join();
              try {
                set_start_method("spawn");
                return 1;
              } catch (const RuntimeError&) {
                return 0;
              }
            }),
            0);
}

FRESH_SCENARIO(named_before_chosen) {
  // In the child it is not chosen either.
  auto process = get_context("spawn").Process([] { set_start_method("forkserver"); });
  process.start();
  process.join();
  if (process.exitcode() != 0) return 1;
  set_start_method("forkserver");
  return get_start_method() == "forkserver" ? 0 : 2;
}

TEST(StartMethods, AreNotChosenByTheStartOfAProcessThatNamesOne) {
  EXPECT_EQ(::test::run_fresh("named_before_chosen"), 0);
}

TEST(StartMethods, HaveNames) {
  EXPECT_THAT(get_all_start_methods(), testing::ElementsAre("fork", "spawn", "forkserver"));
  EXPECT_THROW(set_start_method("thread"), ValueError);
  EXPECT_THROW(static_cast<void>(get_context("thread")), ValueError);
}

TEST_P(FreshImageTest, AChildWhoseParentIsKilledWhileItStartsEnds) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(::test::run_fresh("parent_dies_while_a_child_starts", {"METHOD=" + GetParam()}),
              -SIGKILL);
  }
  EXPECT_TRUE(eventually([] { return !orphan_that_starts(); }, seconds(20)));
}

// Which file is executed each start asks.
TEST(FreshImage, AChildForkedWhileAnotherThreadChoosesTheFileCanStartOthers) {
  const Watchdog watchdog(seconds(60));
  std::atomic<bool> over{false};
  std::thread chooser([&] {
    while (!over) set_executable("");
  });
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(in_child([] { return os::fresh_image_is_another() ? 1 : 0; }), 0);
  }
  over = true;
  chooser.join();
}

}  // namespace
}  // namespace multiprocessing::test
