// SPDX-License-Identifier: BSL-1.0
// The kernel's wait queue of one 32-bit word, across processes.
#pragma once
#include <atomic>
#include <climits>
#include <cstdint>

namespace multiprocessing::os {

using FutexWord = std::atomic<std::uint32_t>;
static_assert(sizeof(FutexWord) == 4 && FutexWord::is_always_lock_free);

/// Sleeps while `word` holds `expected`, at most to `until_ns` (CLOCK_MONOTONIC). May return early.
/// Says whether somebody's futex_wake ended the sleep.
bool futex_wait(FutexWord& word, std::uint32_t expected, std::int64_t until_ns) noexcept;

/// Sleeps while both words hold what is expected. False: this kernel or its seccomp profile has no
/// futex_waitv, and nothing was waited for.
bool futex_wait_either(FutexWord& a, std::uint32_t expected_a, FutexWord& b,
                       std::uint32_t expected_b, std::int64_t until_ns) noexcept;

/// Wakes at most `count` sleepers; says how many.
int futex_wake(FutexWord& word, int count = INT_MAX) noexcept;

}  // namespace multiprocessing::os
