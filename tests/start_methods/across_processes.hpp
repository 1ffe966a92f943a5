// SPDX-License-Identifier: BSL-1.0
// What holds for shared objects whatever starts the processes that use them: one body of tests,
// run by every start method. What a target needs comes to it as an argument.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <multiprocessing/multiprocessing.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arena_test.hpp"

namespace multiprocessing::test {

/// For targets: ends the child with exit code 1 and says where.
inline void check(bool holds, int line = __builtin_LINE()) {
  if (!holds) throw std::runtime_error("line " + std::to_string(line) + " does not hold");
}

/// For targets: whether `f` throws that.
template <class Error, class F> bool throws(F f) {
  try {
    f();
  } catch (const Error&) {
    return true;
  }
  return false;
}

[[noreturn]] inline void sleep_for_ever() {
  for (;;) ::pause();
}

/// Blocks of the arena are not counted here: what the start methods keep for good (pages of exit
/// records, their references) grows with the processes that are alive at once.
class AcrossProcesses : public testing::TestWithParam<std::string> {
 private:
  Watchdog watchdog_{120s};

 protected:
  const Context ctx = get_context(GetParam());

  template <class... Args> [[nodiscard]] Process start(Args&&... args) const {
    Process process = ctx.Process(std::forward<Args>(args)...);
    process.start();
    return process;
  }
  template <class... Args>
  [[nodiscard]] std::vector<Process> start_many(int count, const Args&... args) const {
    std::vector<Process> processes;
    for (int i = 0; i < count; ++i) processes.push_back(start(args...));
    return processes;
  }
  /// The exit code; -1000: it has not ended in time.
  static int end_of(const Process& process) {
    return process.join(30s) ? process.exitcode().value() : -1000;
  }
  static void expect_good_ends(const std::vector<Process>& processes) {
    for (const Process& process : processes) EXPECT_EQ(end_of(process), 0) << process.name();
  }
  template <class... Args> [[nodiscard]] int run(Args&&... args) const {
    return end_of(start(std::forward<Args>(args)...));
  }
};

/// For each suite: TEST_P of it run by fork, spawn and forkserver.
#define BY_EVERY_START_METHOD(suite)                                                  \
  INSTANTIATE_TEST_SUITE_P(By, suite, testing::Values("fork", "spawn", "forkserver"), \
                           [](const auto& each) { return each.param; })

}  // namespace multiprocessing::test
