// SPDX-License-Identifier: BSL-1.0
#include "fresh_program.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

namespace test {
namespace {

std::map<std::string, Scenario>& scenarios() {
  static std::map<std::string, Scenario> instance;
  return instance;
}

}  // namespace

RegisterScenario::RegisterScenario(const char* name, Scenario scenario) {
  scenarios()[name] = scenario;
}

int run_fresh(const std::string& scenario, const std::vector<std::string>& environment,
              const std::string& program) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const std::string& entry : environment) {
      const auto equals = entry.find('=');
      ::setenv(entry.substr(0, equals).c_str(), entry.substr(equals + 1).c_str(), 1);
    }
    ::execl(program.c_str(), "scenario", "--scenario", scenario.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

int run_requested_scenario(int argc, char** argv) {
  if (argc != 3 || std::string_view(argv[1]) != "--scenario") return -1;
  const auto found = scenarios().find(argv[2]);
  if (found == scenarios().end()) {
    std::fprintf(stderr, "no scenario named %s\n", argv[2]);
    return 126;
  }
  const int code = found->second();
  // What it expects counts as well.
  return code == 0 && testing::UnitTest::GetInstance()->Failed() ? 1 : code;
}

}  // namespace test
