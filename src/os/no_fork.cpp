// SPDX-License-Identifier: BSL-1.0
#include "os/no_fork.hpp"

#include <pthread.h>

#include "os/fork_mutex.hpp"

namespace multiprocessing::os {
namespace {

ForkMutex moment;  // held across fork, and free in the child

// From before main on, so that a fork comes to it after the mutexes that are prepared later: whose
// holder may wait for this one.
[[maybe_unused]] const int registered =
    ::pthread_atfork([] { moment.lock(); }, [] { moment.unlock(); }, nullptr);

}  // namespace

NoFork::NoFork() noexcept { moment.lock(); }
NoFork::~NoFork() { moment.unlock(); }

}  // namespace multiprocessing::os
