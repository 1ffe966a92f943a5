// SPDX-License-Identifier: BSL-1.0
// Signals as messages: parent and child send each other SIGUSR1, and wait for it.
#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <multiprocessing/multiprocessing.hpp>

namespace mp = multiprocessing;

void answer() {
  mp::signals::wait({SIGUSR1});
  fmt::print("child: got SIGUSR1, sending one to the parent\n");
  std::fflush(stdout);
  mp::signals::raise_in(mp::parent_process()->pid(), SIGUSR1);
}

int main() {
  // Before the child exists, which inherits it: a signal that comes early is kept.
  mp::signals::keep({SIGUSR1});

  fmt::print("parent: sending SIGUSR1 to the child\n");
  mp::Process child(answer);
  child.start();
  child.send_signal(SIGUSR1);

  mp::signals::wait({SIGUSR1});
  fmt::print("parent: got SIGUSR1 from the child\n");
  child.join();
}
