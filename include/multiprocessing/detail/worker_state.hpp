// SPDX-License-Identifier: BSL-1.0
// What a worker of a pool keeps from task to task.
#pragma once
#include <optional>

namespace multiprocessing {

namespace detail {
/// Tells a process from the one that it was forked from.
[[nodiscard]] unsigned worker_generation() noexcept;
}  // namespace detail

/// This worker's own T, made by its default constructor at the first call in it and kept for the
/// tasks that come: a connection, a cache. Of a ThreadPool each thread has its own. A worker begins
/// without one, also where the process that made it has one.
///   mp::Pool pool(4, [] { mp::worker_state<Database>().open(); });
template <class T> [[nodiscard]] T& worker_state() {
  struct Kept {
    unsigned generation = 0;
    std::optional<T> value;
  };
  static thread_local Kept kept;
  if (const unsigned now = detail::worker_generation(); !kept.value || kept.generation != now) {
    kept.generation = now;
    kept.value.emplace();
  }
  return *kept.value;
}

}  // namespace multiprocessing
