// SPDX-License-Identifier: BSL-1.0
// The kernel tells all of it in one file; by system calls the umask could not be asked for without
// changing it under other threads, and the ignored signals would take one call each.
#include "os/inherited.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <string_view>
#include <system_error>

#include "os/fd.hpp"

namespace multiprocessing::os {
namespace {

constexpr int kSignals = 64;

std::uint64_t number_after(std::string_view text, std::string_view label, int base) {
  std::uint64_t number = 0;
  const std::size_t found = text.find(label);
  if (found != std::string_view::npos) {
    text.remove_prefix(found + label.size());
    std::from_chars(text.data(), text.data() + text.size(), number, base);
  }
  return number;
}

}  // namespace

Inherited inherited() {
  const Fd file(::open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC));
  char buffer[4096];
  const ssize_t got = file ? ::read(file.get(), buffer, sizeof buffer) : -1;
  if (got < 0) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot read this thread's umask and signals in /proc");
  }
  const std::string_view text(buffer, static_cast<std::size_t>(got));
  return {number_after(text, "\nUmask:\t", 8), number_after(text, "\nSigBlk:\t", 16),
          number_after(text, "\nSigIgn:\t", 16)};
}

void ignore_signals(std::uint64_t ignored) noexcept {
  for (int signal = 1; signal <= kSignals; ++signal) {
    const bool ignore = (ignored & signal_bit(signal)) != 0;
    struct sigaction action {};
    if (::sigaction(signal, nullptr, &action) != 0) continue;
    if ((action.sa_handler == SIG_IGN) == ignore) continue;
    action = {};
    action.sa_handler = ignore ? SIG_IGN : SIG_DFL;
    ::sigaction(signal, &action, nullptr);
  }
}

void block_signals(std::uint64_t blocked) noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  for (int signal = 1; signal <= kSignals; ++signal) {
    if ((blocked & signal_bit(signal)) != 0) ::sigaddset(&set, signal);
  }
  ::pthread_sigmask(SIG_SETMASK, &set, nullptr);
}

}  // namespace multiprocessing::os
