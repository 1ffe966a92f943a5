// SPDX-License-Identifier: BSL-1.0
// Fetching the cache lines of frames to come from the other side's processor, before they are
// needed: each lock is a barrier, behind which no processor looks ahead by itself.
#pragma once
#include <cstddef>

namespace multiprocessing::queues {

inline constexpr std::size_t kLine = 64;
/// How far ahead: some messages, as a line takes longer to travel than a message to be written.
inline constexpr std::size_t kAhead = 16 * kLine;
/// How much of a long message at the most.
inline constexpr std::size_t kMost = 64 * kLine;

inline void prefetch_to_read(const std::byte* at) noexcept { __builtin_prefetch(at, 0); }

inline void prefetch_to_write(const std::byte* at) noexcept {
#if defined(__x86_64__)
  // The builtin is a prefetch for reading unless the compiler is told of the target's processor.
  asm volatile("prefetchw %0" : : "m"(*at));
#else
  __builtin_prefetch(at, 1);
#endif
}

/// Calls prefetch(address) for each line of the `bytes` from `begin` on, kMost at the most.
template <class Prefetch>
void prefetch_range(const std::byte* begin, std::size_t bytes, Prefetch prefetch) noexcept {
  for (std::size_t at = 0; at < bytes && at < kMost; at += kLine) prefetch(begin + at);
}

}  // namespace multiprocessing::queues
