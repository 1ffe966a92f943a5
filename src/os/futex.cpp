// SPDX-License-Identifier: BSL-1.0
#include "os/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

namespace multiprocessing::os {
namespace {

// The kernel's struct futex_waitv, which older headers lack.
struct Waiter {
  std::uint64_t value;
  std::uint64_t address;
  std::uint32_t flags;
  std::uint32_t reserved;
};
constexpr std::uint32_t kSize32 = 2;

timespec to_timespec(std::int64_t ns) noexcept { return {ns / 1'000'000'000, ns % 1'000'000'000}; }

std::uint64_t address_of(FutexWord& word) noexcept {
  return static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&word));
}

}  // namespace

bool futex_wait(FutexWord& word, std::uint32_t expected, std::int64_t until_ns) noexcept {
  const timespec until = to_timespec(until_ns);
  // The bitset form takes an absolute time, so an interrupted wait may simply be begun again.
  return ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, expected, &until, nullptr,
                   FUTEX_BITSET_MATCH_ANY) == 0;
}

bool futex_wait_either(FutexWord& a, std::uint32_t expected_a, FutexWord& b,
                       std::uint32_t expected_b, std::int64_t until_ns) noexcept {
  static std::atomic<bool> missing{false};
  if (missing.load(std::memory_order_relaxed)) return false;
  const Waiter waiters[2] = {{expected_a, address_of(a), kSize32, 0},
                             {expected_b, address_of(b), kSize32, 0}};
  const timespec until = to_timespec(until_ns);
  if (::syscall(SYS_futex_waitv, waiters, 2, 0, &until, CLOCK_MONOTONIC) >= 0) return true;
  if (errno != ENOSYS && errno != EPERM) return true;
  missing.store(true, std::memory_order_relaxed);
  return false;
}

int futex_wake(FutexWord& word, int count) noexcept {
  return static_cast<int>(::syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0));
}

}  // namespace multiprocessing::os
