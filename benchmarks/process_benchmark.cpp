// SPDX-License-Identifier: BSL-1.0
// Process start and join by each method against bare fork and posix_spawn, and CPython's.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstring>
#include <multiprocessing/multiprocessing.hpp>

#include <functional>
#include <string>
#include <vector>

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

void nothing() {}

std::function<void()> start_and_join(const char* method) {
  return [context = mp::get_context(method)] {
    mp::Process p = context.Process(nothing);
    p.start();
    p.join();
  };
}

void bare_fork() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  ::waitpid(pid, nullptr, 0);
}

// This program once more, which ends as soon as it is in main.
void bare_spawn() {
  char program[] = "/proc/self/exe";
  char end_at_once[] = "end-at-once";
  char* arguments[] = {program, end_at_once, nullptr};
  pid_t pid = -1;
  if (::posix_spawn(&pid, program, nullptr, nullptr, arguments, environ) != 0) return;
  ::waitpid(pid, nullptr, 0);
}

void add_cases(bench::Table& table, const std::string& name, int count, int rounds) {
  const auto measure = [count](const std::function<void()>& once) {
    return [=] { return median_us(count, once); };
  };
  const auto python = [](const std::string& method) {
    return [=] { return bench::from_python("cpython.py", "process 50 " + method); };
  };
  table.add_case("fork, " + name,
                 {{"Process, fork", measure(start_and_join("fork"))},
                  {"bare fork and waitpid", measure(bare_fork)},
                  {"CPython Process, fork", python("fork")}},
                 rounds);
  table.add_case("spawn, " + name,
                 {{"Process, spawn", measure(start_and_join("spawn"))},
                  {"bare posix_spawn and waitpid", measure(bare_spawn)},
                  {"CPython Process, spawn", python("spawn")}},
                 rounds);
  table.add_case("forkserver, " + name,
                 {{"Process, forkserver", measure(start_and_join("forkserver"))},
                  {"bare fork and waitpid", measure(bare_fork)},
                  {"CPython Process, forkserver", python("forkserver")}},
                 rounds);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::strcmp(argv[1], "end-at-once") == 0) return 0;
  CLI::App app("Process against its peers");
  int rounds = 7;
  int count = 300;
  app.add_option("--rounds", rounds, "how often each peer is measured; medians are printed");
  app.add_option("--count", count, "processes a round");
  CLI11_PARSE(app, argc, argv);

  bench::Table table("Start and join", "microseconds", bench::Better::kLower);
  add_cases(table, "small program", count, rounds);
  const std::vector<char> used(std::size_t{1} << 30, 'x');
  add_cases(table, "program with 1 GiB in use", count / 10, rounds);
}
