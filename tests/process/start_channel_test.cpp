// SPDX-License-Identifier: BSL-1.0
// Deaths while a process in a fresh image is told what it is for, beside children that were forked
// meanwhile and live on.
#include <dlfcn.h>
#include <spawn.h>
#include <sys/prctl.h>

#include <filesystem>
#include <multiprocessing/context.hpp>
#include <set>

#include "process_state.hpp"
#include "process_test.hpp"

namespace multiprocessing::test {
namespace {

using std::chrono::seconds;

// What is done just before and just after a fresh image is executed, once: in between, its end of
// the channel is open here.
std::function<void()> before_image;
std::function<void(pid_t)> after_image;

}  // namespace
}  // namespace multiprocessing::test

// In the place of the C library's.
extern "C" int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                           const posix_spawnattr_t* attrp, char* const argv[], char* const envp[]) {
  namespace test = multiprocessing::test;
  static const auto next =
      reinterpret_cast<decltype(&::posix_spawn)>(::dlsym(RTLD_NEXT, "posix_spawn"));
  if (const auto act = std::exchange(test::before_image, nullptr)) act();
  const int error = next(pid, path, actions, attrp, argv, envp);
  if (const auto act = std::exchange(test::after_image, nullptr)) act(*pid);
  return error;
}

namespace multiprocessing::test {
namespace {

// A child that lives until the end of the test, whoever started it.
class Bystander {
 public:
  ~Bystander() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
  }
  Bystander() = default;
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;

  // Without fork handlers it keeps all that its parent has open.
  void start(bool with_handlers) {
    const pid_t pid = with_handlers ? ::fork() : ::_Fork();
    if (pid == 0) sleep_for_ever();
    pid_ = pid;
  }

 private:
  SharedWord pid_;
};

class StartChannelTest : public ProcessTest, public testing::WithParamInterface<bool> {
 protected:
  void start_bystander() { bystander_.start(GetParam()); }

  static constexpr std::size_t kMoreThanAChannelHolds = 2'000'000;

 private:
  Watchdog watchdog_{seconds(30)};
  Bystander bystander_;
};

INSTANTIATE_TEST_SUITE_P(Both, StartChannelTest, testing::Bool(), [](const auto& each) {
  return each.param ? "BesideAFork" : "BesideARawClone";
});

TEST_P(StartChannelTest, AKilledServerIsReplacedAlthoughAChildWasForkedWhileItStarted) {
  const int code = in_child([this] {
    before_image = [this] { start_bystander(); };
    const Context ctx = get_context("forkserver");
    Process first = ctx.Process(ProcessOptions{.daemon = true}, sleep_for_ever);
    first.start();
    const pid_t server = parent_of(first.pid());
    ::kill(server, SIGKILL);
    if (!eventually([&] { return parent_of(first.pid()) != server; }, seconds(20))) return 1;
    Process second = ctx.Process([] { exit(4); });
    second.start();
    second.join();
    return *second.exitcode();
  });

  EXPECT_EQ(code, 4);
}

TEST_P(StartChannelTest, ASpawnReturnsAlthoughTheChildIsKilledBeforeItKnowsWhatItIsFor) {
  const int code = in_child([this] {
    before_image = [this] { start_bystander(); };
    after_image = [](pid_t pid) { ::kill(pid, SIGKILL); };
    Process process = get_context("spawn").Process([](const std::string&) {},
                                                   std::string(kMoreThanAChannelHolds, 'x'));
    process.start();
    process.join();
    return *process.exitcode() == -SIGKILL ? 0 : 1;
  });

  EXPECT_EQ(code, 0);
}

TEST_P(StartChannelTest, AServerEndsWithAnOwnerThatIsKilledInTheMiddleOfARequest) {
  SharedWord server;
  Child owner([&] {
    const Context ctx = get_context("forkserver");
    Process first = ctx.Process(ProcessOptions{.daemon = true}, sleep_for_ever);
    first.start();
    start_bystander();
    const pid_t pid = parent_of(first.pid());
    ::kill(pid, SIGSTOP);
    if (!eventually([&] { return state_of(pid) == 'T'; }, seconds(20))) return;
    Process second =
        ctx.Process([](const std::string&) {}, std::string(kMoreThanAChannelHolds, 'x'));
    server = pid;
    second.start();
  });
  ASSERT_TRUE(eventually([&] { return server != 0; }, seconds(20)));
  ASSERT_TRUE(eventually([&] { return state_of(owner.pid()) == 'S'; }, seconds(20)));

  owner.kill();
  ::kill(server, SIGCONT);

  const auto ended = [&] { return ::kill(server, 0) != 0 || state_of(server) == 'Z'; };
  EXPECT_TRUE(eventually(ended, seconds(10)));
  ::kill(server, SIGKILL);
}

TEST_P(StartChannelTest, ASpawnedChildThatKnowsNotAllOfWhatItIsForEndsWithItsParent) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  SharedWord child;
  Child parent([&] {
    before_image = [this] { start_bystander(); };
    after_image = [&](pid_t pid) {
      ::kill(pid, SIGSTOP);
      child = pid;
    };
    Process process = get_context("spawn").Process([](const std::string&) {},
                                                   std::string(kMoreThanAChannelHolds, 'x'));
    process.start();
  });
  ASSERT_TRUE(eventually([&] { return child != 0; }, seconds(20)));
  ASSERT_TRUE(eventually([&] { return state_of(parent.pid()) == 'S'; }, seconds(20)));

  parent.kill();
  ::kill(child, SIGCONT);

  int status = -1;
  EXPECT_TRUE(eventually([&] { return ::waitpid(child, &status, WNOHANG) == child; }, seconds(10)));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  ::kill(child, SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

std::set<std::string> open_sockets() {
  std::set<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry.path(), gone).string();
    if (target.starts_with("socket:")) result.insert(target);
  }
  return result;
}

// The sockets that this process has open, that a fork of it has not.
std::size_t kept_from_a_fork() {
  const std::set<std::string> own = open_sockets();
  const int missing = in_child(
      [&] { return static_cast<int>(own.size()) - static_cast<int>(open_sockets().size()); });
  return static_cast<std::size_t>(missing);
}

TEST(ForkServerChannelTest, AForkKeepsNoEndOfAChannelToAProcessThatStarts) {
  const Watchdog watchdog(seconds(30));
  const int code = in_child([] {
    std::size_t kept = 0;
    for (const char* method : {"spawn", "forkserver"}) {
      before_image = [&] { kept = kept_from_a_fork(); };
      Process process = get_context(method).Process([] {});
      process.start();
      if (kept != 2) return 1;
      process.join();
    }
    if (kept_from_a_fork() != 1) return 2;
    // The link is the parent's alone, and what was closed is not closed once more.
    Child child([] {
      const std::set<std::string> before = open_sockets();
      Process process = get_context("forkserver").Process([] { exit(5); });
      process.start();
      process.join();
      const std::set<std::string> after = open_sockets();
      if (after.size() != before.size() + 1) return 3;
      return *process.exitcode();
    });
    return child.wait();
  });

  EXPECT_EQ(code, 5);
}

}  // namespace
}  // namespace multiprocessing::test
