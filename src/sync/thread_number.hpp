// SPDX-License-Identifier: BSL-1.0
// A number for each thread of this process.
#pragma once
#include <atomic>
#include <cstdint>

namespace multiprocessing::sync {

/// Never 0 and never used again in this process, as a thread id of the kernel could be. A forked
/// child goes on counting; together with the process's serial it names one thread.
inline std::uint32_t thread_number() noexcept {
  static std::atomic<std::uint32_t> last{0};
  // Constant initialisation: reading it costs no guard.
  static thread_local std::uint32_t own = 0;
  if (own == 0) own = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return own;
}

}  // namespace multiprocessing::sync
