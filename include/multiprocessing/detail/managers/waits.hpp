// SPDX-License-Identifier: BSL-1.0
// Calls of a server that wait: how long they are asked to, and in slices for what is the program's,
// so that the death of the caller and the end of the server are noticed in between.
#pragma once
#include <multiprocessing/detail/managers/proxy_call.hpp>
#include <multiprocessing/detail/managers/referent.hpp>
#include <multiprocessing/timeout.hpp>

#include <algorithm>
#include <chrono>

namespace multiprocessing::detail {

/// What Python's `timeout`, the next argument, stands for.
[[nodiscard]] inline Timeout timeout_of_wait(ServerCall& call) {
  const auto seconds = call.arg_or<Seconds>(std::nullopt);
  return seconds ? Timeout(std::chrono::duration<double>(*seconds)) : Timeout(forever);
}

/// The same of `block, timeout`.
[[nodiscard]] inline Timeout timeout_of_acquire(ServerCall& call) {
  const bool block = call.arg_or<bool>(true);
  const Timeout timeout = timeout_of_wait(call);
  return block ? timeout : Timeout(std::chrono::seconds(0));
}

/// Calls `once(timeout, last)` until it says that it is done, or was the last that the time allows.
/// THROWS: what ends the call if the caller has gone, and what `once` throws.
template <class Once> void in_slices(ServerCall& call, Timeout timeout, Once once) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kSlice{100};
  const auto begin = Clock::now();
  for (bool last = false; !last;) {
    std::chrono::nanoseconds slice = kSlice;
    if (!timeout.is_forever()) {
      const auto left = std::chrono::nanoseconds(timeout.nanoseconds()) - (Clock::now() - begin);
      last = left <= slice;
      slice = std::min(slice, left);
    }
    if (once(Timeout(slice), last)) return;
    call.check_caller();
  }
}

}  // namespace multiprocessing::detail
