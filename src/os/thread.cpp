// SPDX-License-Identifier: BSL-1.0
#include "os/thread.hpp"

#include <pthread.h>
#include <sys/prctl.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>

#include <atomic>
#include <csignal>
#include <system_error>

namespace multiprocessing::os {
namespace {

std::atomic<int> library_threads{0};

void* run_thread(void* start_pointer) {
  const auto& start = *static_cast<const ThreadStart*>(start_pointer);
  ::prctl(PR_SET_NAME, start.name);
  start.body(start.argument);
  library_threads.fetch_sub(1, std::memory_order_relaxed);
  return nullptr;
}

void forget_threads_in_child() {
  static const int registered =
      ::pthread_atfork(nullptr, nullptr, [] { library_threads.store(0); });
  static_cast<void>(registered);
}

}  // namespace

void start_library_thread(ThreadStart& start) {
  forget_threads_in_child();
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  // The new thread inherits the mask: no handler of the program ever runs in it.
  ::pthread_sigmask(SIG_BLOCK, &all, &before);
  pthread_t thread{};
  library_threads.fetch_add(1, std::memory_order_relaxed);
  const int error = ::pthread_create(&thread, nullptr, run_thread, &start);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) {
    library_threads.fetch_sub(1, std::memory_order_relaxed);
    throw std::system_error(error, std::generic_category(), "cannot start a thread");
  }
  ::pthread_detach(thread);
}

int program_threads() noexcept {
  if (__libc_single_threaded) return 1;
  // The link count of the folder is two and one for each thread: one call, nothing to read.
  struct stat tasks {};
  if (::stat("/proc/self/task", &tasks) != 0) return 1;
  const int all = static_cast<int>(tasks.st_nlink) - 2;
  const int own = library_threads.load(std::memory_order_relaxed);
  return all > own ? all - own : 1;
}

}  // namespace multiprocessing::os
