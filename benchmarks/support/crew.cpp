// SPDX-License-Identifier: BSL-1.0
#include "crew.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>

namespace bench {
namespace {

struct Start {
  std::atomic<unsigned> ready;
  std::atomic<bool> go;
  std::atomic<std::int64_t> last_end;
};

void work_at_start(const Work& work, Start& start) {
  start.ready.fetch_add(1);
  while (!start.go.load()) ::sched_yield();
  try {
    work();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "benchmark process: %s\n", e.what());
    ::_exit(1);
  }
  const std::int64_t end = now_ns();
  std::int64_t seen = start.last_end.load();
  while (seen < end && !start.last_end.compare_exchange_weak(seen, end)) {
  }
  ::_exit(0);
}

void pin_to_first_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(0, &set);
  ::sched_setaffinity(0, sizeof set, &set);
}

std::int64_t run(const std::vector<Work>& crew, bool one_cpu) {
  auto& start = shared<Start>();
  std::vector<pid_t> processes;
  for (const Work& work : crew) {
    const pid_t pid = ::fork();
    if (pid == 0) {
      if (one_cpu) pin_to_first_cpu();
      work_at_start(work, start);
    }
    processes.push_back(pid);
  }
  while (start.ready.load() != crew.size()) ::usleep(100);
  const std::int64_t begin = now_ns();
  start.go.store(true);
  bool failed = false;
  for (const pid_t pid : processes) {
    int status = 0;
    failed |= ::waitpid(pid, &status, 0) != pid || status != 0;
  }
  if (failed) std::exit(1);
  const std::int64_t elapsed = start.last_end.load() - begin;
  ::munmap(&start, sizeof start);
  return elapsed;
}

}  // namespace

std::int64_t now_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

std::int64_t time_together(const std::vector<Work>& crew) { return run(crew, false); }
std::int64_t time_on_one_cpu(const std::vector<Work>& crew) { return run(crew, true); }

void* shared_memory(std::size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return memory;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

}  // namespace bench
