// SPDX-License-Identifier: BSL-1.0
#include "os/first_use.hpp"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

namespace multiprocessing::os {
namespace {

std::atomic<bool> fork_has_begun{false};

TEST(FirstUseTest, IsMadeOnceAndKept) {
  static constinit FirstUse<std::string> word;
  int made = 0;
  const auto make = [&] {
    ++made;
    return std::string("first");
  };

  word.get(make) += " and changed";

  EXPECT_EQ(word.get(make), "first and changed");
  EXPECT_EQ(made, 1);
}

TEST(FirstUseTest, IsTriedAgainAfterItCouldNotBeMade) {
  static constinit FirstUse<int> number;
  EXPECT_THROW(static_cast<void>(number.get([]() -> int { throw std::runtime_error("no"); })),
               std::runtime_error);
  EXPECT_EQ(number.get([] { return 7; }), 7);
}

TEST(FirstUseTest, MayNeedAnotherForTheFirstTime) {
  static constinit FirstUse<int> inner;
  static constinit FirstUse<int> outer;
  EXPECT_EQ(outer.get([] { return inner.get([] { return 20; }) + 1; }), 21);
}

TEST(FirstUseTest, AForkWaitsUntilItIsMade) {
  static constinit FirstUse<int> number;
  // Registered last, it is called first.
  static const int registered = ::pthread_atfork([] { fork_has_begun = true; }, nullptr, nullptr);
  ASSERT_EQ(registered, 0);
  fork_has_begun = false;
  std::atomic<bool> begun{false};
  std::thread maker([&] {
    static_cast<void>(number.get([&] {
      begun = true;
      while (!fork_has_begun) std::this_thread::yield();
      // Long after a fork that did not wait.
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      return 7;
    }));
  });
  while (!begun) std::this_thread::yield();

  const pid_t child = ::fork();
  // A fork that did not wait leaves a child without it, who makes its own.
  if (child == 0) ::_exit(number.get([] { return 1; }));

  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << status;
  maker.join();
}

}  // namespace
}  // namespace multiprocessing::os
