// SPDX-License-Identifier: BSL-1.0
// Process start and join against bare fork and waitpid, and CPython's.
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <multiprocessing/multiprocessing.hpp>

#include "crew.hpp"
#include "table.hpp"

namespace mp = multiprocessing;

namespace {

template <class Once> double median_us(int count, Once once) {
  std::vector<double> times;
  for (int i = 0; i < count; ++i) {
    const std::int64_t begin = bench::now_ns();
    once();
    times.push_back(static_cast<double>(bench::now_ns() - begin) / 1e3);
  }
  return bench::median(times);
}

void start_and_join() {
  mp::Process p([] {});
  p.start();
  p.join();
}

void bare_fork() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Process against its peers");
  int rounds = 7;
  int count = 300;
  app.add_option("--rounds", rounds, "how often each peer is measured; medians are printed");
  app.add_option("--count", count, "processes a round");
  CLI11_PARSE(app, argc, argv);

  bench::Table table("Start and join", "microseconds", bench::Better::kLower);
  table.add_case(
      "empty program",
      {{"Process, fork", [&] { return median_us(count, start_and_join); }},
       {"bare fork and waitpid", [&] { return median_us(count, bare_fork); }},
       {"CPython Process, fork", [&] { return bench::from_python("cpython.py", "process 100"); }}},
      rounds);
}
