// SPDX-License-Identifier: BSL-1.0
#include "os/first_use.hpp"

#include <pthread.h>

#include "os/fork_mutex.hpp"

namespace multiprocessing::os {
namespace {

constinit ForkMutex making;  // held across fork
constinit thread_local unsigned depth = 0;

// Before all other constructors, so that a fork comes to it last, for who holds any of the mutexes
// that are prepared before may be waiting for this one; and leaves it first, for what is done in
// the child may need something for the first time.
[[gnu::constructor(101)]] void wait_at_forks() {
  ::pthread_atfork([] { making.lock(); }, [] { making.unlock(); }, [] { making.unlock(); });
}

}  // namespace

FirstUseGuard::FirstUseGuard() noexcept {
  if (depth++ == 0) making.lock();
}

FirstUseGuard::~FirstUseGuard() {
  if (--depth == 0) making.unlock();
}

}  // namespace multiprocessing::os
