// SPDX-License-Identifier: BSL-1.0
#include "signal_storm.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>

namespace multiprocessing::test {
namespace {
std::atomic<int> g_count{0};
void on_signal(int) { g_count.fetch_add(1, std::memory_order_relaxed); }

// The action is the process's: it stays until the last storm is over.
std::mutex g_mutex;
int g_storms = 0;
struct sigaction g_before {};
}  // namespace

SignalStorm::SignalStorm() {
  {
    const std::lock_guard guard(g_mutex);
    struct sigaction action {};
    action.sa_handler = on_signal;
    if (g_storms++ == 0) ::sigaction(SIGUSR2, &action, &g_before);
  }
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = SIGUSR2;
  event._sigev_un._tid = ::gettid();
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot make the storm's timer");
  const itimerspec often{{0, 200'000}, {0, 200'000}};
  ::timer_settime(timer_, 0, &often, nullptr);
}

SignalStorm::~SignalStorm() {
  ::timer_delete(timer_);
  const std::lock_guard guard(g_mutex);
  if (--g_storms != 0) return;
  // Discards one that is still pending: the action before may be to end the process.
  ::signal(SIGUSR2, SIG_IGN);
  ::sigaction(SIGUSR2, &g_before, nullptr);
}

int SignalStorm::count() noexcept { return g_count.load(std::memory_order_relaxed); }

}  // namespace multiprocessing::test
