// SPDX-License-Identifier: BSL-1.0
// Runs a function in a freshly executed copy of the test program, for what must happen before the
// first use of the library: limits, environment, the segment limit.
#pragma once
#include <string>
#include <vector>

namespace test {

using Scenario = int (*)();

/// Names a function that run_fresh() can call; its result is the exit code, 1 instead of 0 if an
/// EXPECT in it failed.
struct RegisterScenario {
  RegisterScenario(const char* name, Scenario scenario);
};
#define FRESH_SCENARIO(name)                                             \
  static int name();                                                     \
  static const ::test::RegisterScenario register_##name(#name, &(name)); \
  static int name()

/// Executes the scenario in a new program, with VARIABLE=VALUE entries added to its environment.
/// Returns its exit code, -N for signal N. `program`: a copy of this one.
int run_fresh(const std::string& scenario, const std::vector<std::string>& environment = {},
              const std::string& program = "/proc/self/exe");

/// For main(): the scenario's exit code if this program was executed for one, else -1.
int run_requested_scenario(int argc, char** argv);

}  // namespace test
