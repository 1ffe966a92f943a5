// SPDX-License-Identifier: BSL-1.0
// terminate() asks: a process that handles SIGTERM tidies up first, another one ends at once.
#include <fmt/core.h>

#include <csignal>
#include <multiprocessing/multiprocessing.hpp>

namespace mp = multiprocessing;

volatile std::sig_atomic_t stop = 0;  // the only thing that the handler touches

void work_until_told(mp::Event ready) {
  std::signal(SIGTERM, [](int) { stop = 1; });
  // Blocked but for the wait itself: no signal falls between the look at `stop` and the sleep.
  sigset_t term;
  sigset_t before;
  ::sigemptyset(&term);
  ::sigaddset(&term, SIGTERM);
  ::pthread_sigmask(SIG_BLOCK, &term, &before);
  ready.set();
  while (stop == 0) ::sigsuspend(&before);
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
