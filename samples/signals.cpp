// SPDX-License-Identifier: BSL-1.0
// Signals as messages: parent and child send each other SIGUSR1 and wait for it by sigwait.
#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <multiprocessing/multiprocessing.hpp>
#include <system_error>

namespace mp = multiprocessing;

void wait_for(sigset_t signals) {
  int number = 0;
  if (const int error = ::sigwait(&signals, &number))
    throw std::system_error(error, std::generic_category());
}

void answer(sigset_t signals) {
  wait_for(signals);
  fmt::print("child: got SIGUSR1, sending one to the parent\n");
  std::fflush(stdout);
  ::kill(::getppid(), SIGUSR1);
}

int main() {
  // Blocked before the child exists, in both: a signal that comes early waits.
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  fmt::print("parent: sending SIGUSR1 to the child\n");
  mp::Process child(answer, signals);
  child.start();
  child.send_signal(SIGUSR1);

  wait_for(signals);
  fmt::print("parent: got SIGUSR1 from the child\n");
  child.join();
}
