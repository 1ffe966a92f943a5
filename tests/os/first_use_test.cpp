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

int exit_code_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

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

  EXPECT_EQ(exit_code_of(child), 7);
  maker.join();
}

constinit FirstUse<int> needed_in_children;
std::atomic<bool> need_it{false};

// By one of the first constructors, and so before a program's own.
[[gnu::constructor(102)]] void need_it_at_forks() {
  ::pthread_atfork(nullptr, nullptr, [] {
    if (need_it) ::_exit(needed_in_children.get([] { return 7; }));
  });
}

TEST(FirstUseTest, WhatAChildDoesAtItsBirthMayNeedIt) {
  need_it = true;
  const pid_t child = ::fork();
  need_it = false;

  EXPECT_EQ(exit_code_of(child), 7);
}

}  // namespace
}  // namespace multiprocessing::os
