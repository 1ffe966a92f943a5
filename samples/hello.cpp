// SPDX-License-Identifier: BSL-1.0
// The first program: start a process, wait for it, ask how it ended.
#include <fmt/core.h>

#include <multiprocessing/multiprocessing.hpp>
#include <string>

namespace mp = multiprocessing;

void greet(const std::string& name) {
  fmt::print("hello {}, from {}\n", name, mp::current_process().name());
}

int main() {
  mp::Process process(greet, "world");
  process.start();
  process.join();

  fmt::print("{} ended with exit code {}\n", process.name(), process.exitcode().value());
}
