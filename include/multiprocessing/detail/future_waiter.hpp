// SPDX-License-Identifier: BSL-1.0
// Waits for several jobs at once, of any pools.
#pragma once
#include <multiprocessing/detail/job.hpp>
#include <multiprocessing/timeout.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace multiprocessing::detail {

/// THROWS: InvalidStateError.
[[noreturn]] void fail_no_call();

/// A timeout as the moment at which it ends.
class WaitLimit {
 public:
  explicit WaitLimit(Timeout timeout);
  [[nodiscard]] bool never() const noexcept { return !end_; }
  [[nodiscard]] std::chrono::steady_clock::time_point end() const noexcept { return *end_; }
  /// What is left of it.
  [[nodiscard]] Timeout left() const {
    return end_ ? Timeout(*end_ - std::chrono::steady_clock::now()) : Timeout(forever);
  }

 private:
  std::optional<std::chrono::steady_clock::time_point> end_;
};

class FutureWaiter {
 public:
  explicit FutureWaiter(std::size_t jobs);
  FutureWaiter(const FutureWaiter&) = delete;
  FutureWaiter& operator=(const FutureWaiter&) = delete;
  ~FutureWaiter();

  /// Notes when that job ends, as number `i`, and keeps it. THROWS: RuntimeError in a forked child,
  /// unless it is done.
  void watch(std::size_t i, Job& job);
  /// Waits until so many have ended, with `failed` only those that ended by an exception, or all.
  void wait_for(std::size_t ended, bool failed, Timeout timeout);
  /// The next one that has ended; none when all have been given. THROWS: TimeoutError.
  std::optional<std::size_t> next(const WaitLimit& limit);

 private:
  struct State;
  std::shared_ptr<State> state_;
  std::vector<std::pair<std::shared_ptr<Job>, std::uint64_t>> watched_;
};

}  // namespace multiprocessing::detail
