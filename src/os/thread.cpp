// SPDX-License-Identifier: BSL-1.0
#include "os/thread.hpp"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <system_error>

#include "os/fork_mutex.hpp"

namespace multiprocessing::os {
namespace {

// How many, and of which process: a forked child has none of them. generation:32 count:32
std::atomic<std::uint64_t> library_threads{0};

// The fork generation, counted from one, that this thread is a library thread of: one that forks is
// the program's in the child. 0: of none.
thread_local std::uint32_t library_thread_of = 0;

std::int32_t count_in(std::uint64_t word) noexcept {
  return word >> 32 == fork_generation() ? static_cast<std::int32_t>(word) : 0;
}

void count(std::int32_t more) noexcept {
  const std::uint64_t generation = std::uint64_t{fork_generation()} << 32;
  std::uint64_t seen = library_threads.load(std::memory_order_relaxed);
  while (!library_threads.compare_exchange_weak(
      seen, generation | static_cast<std::uint32_t>(count_in(seen) + more),
      std::memory_order_relaxed)) {
  }
}

void* run_thread(void* start_pointer) {
  const auto& start = *static_cast<const ThreadStart*>(start_pointer);
  // Also where pthread_exit ends the body.
  struct Ended {
    ~Ended() { count(-1); }
  };
  const Ended ended;
  library_thread_of = fork_generation() + 1;
  ::prctl(PR_SET_NAME, start.name);
  start.body(start.argument);
  return nullptr;
}

}  // namespace

void start_library_thread(ThreadStart& start) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  // The new thread inherits the mask: no handler of the program ever runs in it.
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_t thread{};
  const int error = ::pthread_create(&thread, nullptr, run_thread, &start);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    throw std::system_error(error, std::generic_category(), "cannot start a thread");
  }
  // Not before: meanwhile it passes for one of the program's, and none of those for it.
  count(1);
  ::pthread_detach(thread);
}

int program_threads() noexcept {
  if (__libc_single_threaded != 0) return 1;
  // The link count of the folder is two and one for each thread: one call, nothing to read.
  struct stat tasks {};
  if (::stat("/proc/self/task", &tasks) != 0) return 1;
  const int all = static_cast<int>(tasks.st_nlink) - 2;
  const int own = count_in(library_threads.load(std::memory_order_relaxed));
  return all > own ? all - own : 1;
}

bool in_library_thread() noexcept { return library_thread_of == fork_generation() + 1; }

ProgramCode::ProgramCode() noexcept {
  library_thread_of = 0;
  count(-1);
}
ProgramCode::~ProgramCode() {
  count(1);
  library_thread_of = fork_generation() + 1;
}

}  // namespace multiprocessing::os
