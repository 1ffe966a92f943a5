// SPDX-License-Identifier: BSL-1.0
// What the tests of managers share: each under every start method, with nothing left behind.
#pragma once
#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <multiprocessing/context.hpp>
#include <multiprocessing/managers.hpp>
#include <string>

#include "child.hpp"
#include "long_form.hpp"
#include "watchdog.hpp"

namespace mp = multiprocessing;

namespace multiprocessing::test {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// A manager by the start method of the test, and processes by the same.
class ManagerTest : public testing::TestWithParam<std::string> {
 protected:
  /// Runs a process to its end; its exit code.
  template <class... Args> int run(Args&&... args) {
    auto process = context_.Process(std::forward<Args>(args)...);
    process.start();
    process.join();
    return process.exitcode().value_or(-1000);
  }

  Watchdog watchdog_{long_form() ? 1200s : 120s};
  Context context_ = get_context(GetParam());
  Manager manager_ = context_.Manager();
};

/// What a process keeps in memory.
inline std::size_t resident_kib(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stoul(line.substr(6));
  }
  return 0;
}

inline std::string method_name(const testing::TestParamInfo<std::string>& info) {
  return info.param;
}

#define UNDER_EVERY_START_METHOD(Suite)                                                 \
  INSTANTIATE_TEST_SUITE_P(All, Suite,                                                  \
                           testing::ValuesIn(multiprocessing::get_all_start_methods()), \
                           multiprocessing::test::method_name)

}  // namespace multiprocessing::test
