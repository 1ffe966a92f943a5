// SPDX-License-Identifier: BSL-1.0
// The channel over which a process in a fresh image is told what it is for.
#include <dlfcn.h>
#include <spawn.h>

#include <filesystem>
#include <multiprocessing/context.hpp>
#include <set>

#include "process_test.hpp"

namespace multiprocessing::test {
namespace {

using std::chrono::seconds;

// What is done just before a fresh image is executed, once: its end of the channel is open here.
std::function<void()> before_image;

}  // namespace
}  // namespace multiprocessing::test

// In the place of the C library's.
extern "C" int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                           const posix_spawnattr_t* attrp, char* const argv[], char* const envp[]) {
  namespace test = multiprocessing::test;
  static const auto next =
      reinterpret_cast<decltype(&::posix_spawn)>(::dlsym(RTLD_NEXT, "posix_spawn"));
  if (const auto act = std::exchange(test::before_image, nullptr)) act();
  return next(pid, path, actions, attrp, argv, envp);
}

namespace multiprocessing::test {
namespace {

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
