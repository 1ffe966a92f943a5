// SPDX-License-Identifier: BSL-1.0
// How a process can end, and what its parent sees of it.
#include <fmt/core.h>

#include <csignal>
#include <multiprocessing/multiprocessing.hpp>
#include <stdexcept>

namespace mp = multiprocessing;

struct Farewell {
  ~Farewell() { fmt::print("  the destructors run\n"); }
};

void return_a_value() {}
void leave_by_exit() {
  const Farewell farewell;
  mp::exit(3);
}
void throw_an_error() {
  const Farewell farewell;
  throw std::runtime_error("reported on standard error");
}
void crash() { ::raise(SIGKILL); }

void show(const char* what, mp::Process process) {
  fmt::print("{}\n", what);
  process.start();
  process.join();
  fmt::print("  exit code {}\n", process.exitcode().value());
}

int main() {
  show("returns", mp::Process(return_a_value));
  show("calls mp::exit(3)", mp::Process(leave_by_exit));
  show("throws", mp::Process(throw_an_error));
  show("is killed", mp::Process(crash));
}
