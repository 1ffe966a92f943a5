// SPDX-License-Identifier: BSL-1.0
#include "watchdog.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

namespace multiprocessing::test {
namespace {

void on_time_over(int) {
  constexpr char text[] = "watchdog: the test hangs; its process group is killed\n";
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text, sizeof text - 1);
  if (::getpgrp() == ::getpid()) ::kill(0, SIGKILL);
  ::kill(::getpid(), SIGKILL);
}

}  // namespace

Watchdog::Watchdog(std::chrono::milliseconds limit) {
  if (::getpgrp() != ::getpid()) ::setpgid(0, 0);
  struct sigaction action {};
  action.sa_handler = on_time_over;
  ::sigaction(SIGRTMAX - 1, &action, nullptr);
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGRTMAX - 1;
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0)
    throw std::system_error(errno, std::generic_category(), "cannot make the watchdog's timer");
  const auto ns = std::chrono::nanoseconds(limit).count();
  const itimerspec when{{}, {ns / 1'000'000'000, ns % 1'000'000'000}};
  ::timer_settime(timer_, 0, &when, nullptr);
}

Watchdog::~Watchdog() { ::timer_delete(timer_); }

}  // namespace multiprocessing::test
