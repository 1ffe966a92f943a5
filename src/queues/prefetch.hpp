// SPDX-License-Identifier: BSL-1.0
// Fetching the cache lines of frames to come from the other side's processor, before they are
// needed: each lock is a barrier, behind which no processor looks ahead by itself.
#pragma once
#include <cstddef>

#include "queues/layout.hpp"

namespace multiprocessing::queues {

inline constexpr std::size_t kLine = 64;
/// How far ahead, as a line takes longer to travel than a short message to be copied.
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

/// Calls prefetch(address) for each line of as many bytes as the frame that ends before `next` has,
/// kAhead behind it, if the `known` units from `next` on reach that far.
template <class Prefetch>
void fetch_ahead(Segment& segment, std::uint32_t next, std::uint32_t units, std::uint32_t known,
                 Prefetch prefetch) noexcept {
  constexpr std::uint32_t skipped = kAhead / kUnit;
  if (known <= skipped + units) return;
  const std::byte* const begin = segment.at(next + skipped);
  const std::size_t bytes = std::size_t{units} * kUnit;
  for (std::size_t at = 0; at < bytes && at < kMost; at += kLine) prefetch(begin + at);
}

}  // namespace multiprocessing::queues
