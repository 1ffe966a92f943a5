// SPDX-License-Identifier: BSL-1.0
// terminate() asks: a process that handles SIGTERM tidies up first, another one ends at once.
#include <fmt/core.h>

#include <csignal>
#include <multiprocessing/multiprocessing.hpp>

namespace mp = multiprocessing;

void work_until_told(mp::Event ready) {
  mp::Event stop;
  // No async-signal-safety to think of: this runs in a thread, as ordinary code.
  mp::signals::handle(SIGTERM, [stop]() mutable { stop.set(); });
  ready.set();
  stop.wait();
  fmt::print("told to stop: tidying up\n");
}

void work_for_ever(mp::Event ready) {
  ready.set();
  mp::Event never;
  never.wait();
}

int main() {
  for (auto* work : {work_until_told, work_for_ever}) {
    mp::Event ready;
    mp::Process process(work, ready);
    process.start();
    ready.wait();
    process.terminate();
    process.join();
    fmt::print("exit code {}\n", process.exitcode().value());
  }
}
