// SPDX-License-Identifier: BSL-1.0
// Ctrl-C on a program with ten workers: one message, all of them gone, exit code 130.
//
// This program presses Ctrl-C itself: it runs the other one in a process group, as a shell does,
// and sends SIGINT to the group.
#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <multiprocessing/multiprocessing.hpp>
#include <vector>

namespace mp = multiprocessing;

void work(mp::Queue<int> jobs) {
  mp::signals::handle(SIGINT, SIG_DFL);  // a worker ends at once and says nothing
  static_cast<void>(jobs.get());
}

void program(mp::Event ready) {
  ::setpgid(0, 0);
  mp::signals::handle(SIGINT, [] {
    if (mp::current_process().name() == "program") fmt::print("interrupted\n");
    mp::exit(130);
  });
  mp::Queue<int> jobs;
  std::vector<mp::Process> workers;
  for (int i = 0; i < 10; ++i) workers.emplace_back(work, jobs).start();
  ready.set();
  for (mp::Process& worker : workers) worker.join();
}

int main() {
  mp::Event ready;
  mp::Process shell_job({.name = "program"}, program, ready);
  shell_job.start();
  ready.wait();
  ::kill(-shell_job.pid(), SIGINT);
  shell_job.join();
  fmt::print("exit code {}\n", shell_job.exitcode().value());
}
