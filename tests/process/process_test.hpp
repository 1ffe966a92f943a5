// SPDX-License-Identifier: BSL-1.0
// The language of the process tests.
#pragma once
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <functional>
#include <multiprocessing/process.hpp>
#include <string>

#include "child.hpp"
#include "fresh_program.hpp"
#include "long_form.hpp"
#include "shared_word.hpp"
#include "watchdog.hpp"

namespace multiprocessing::test {

struct Captured {
  int code;
  std::string output;
};

/// Runs `f` in a raw fork of the test whose standard output and error go to `output`.
inline Captured capture(const std::function<int()>& f) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  Captured result;
  {
    Child child([&] {
      ::dup2(ends[1], STDOUT_FILENO);
      ::dup2(ends[1], STDERR_FILENO);
      return f();
    });
    ::close(ends[1]);
    char buffer[4096];
    ssize_t got = 0;
    while ((got = ::read(ends[0], buffer, sizeof buffer)) > 0) {
      result.output.append(buffer, static_cast<std::size_t>(got));
    }
    ::close(ends[0]);
    result.code = child.wait();
  }
  return result;
}

/// The same for a scenario in a program of its own, whose main returns.
inline Captured capture_fresh(const std::string& scenario) {
  return capture([&] { return ::test::run_fresh(scenario); });
}

/// The process that waits for it: of a child of a fork server, the server.
inline pid_t parent_of(pid_t child) {
  std::ifstream file("/proc/" + std::to_string(child) + "/stat");
  std::string text;
  std::getline(file, text);
  pid_t parent = 0;
  char state = 0;
  EXPECT_EQ(std::sscanf(text.c_str() + text.rfind(')') + 1, " %c %d", &state, &parent), 2);
  return parent;
}

[[noreturn]] inline void sleep_for_ever() {
  for (;;) ::pause();
}

class ProcessTest : public testing::Test {
 private:
  Watchdog watchdog_{std::chrono::seconds(long_form() ? 1000 : 200)};
};

}  // namespace multiprocessing::test
