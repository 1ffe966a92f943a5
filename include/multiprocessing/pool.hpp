// SPDX-License-Identifier: BSL-1.0
// Pools of workers that run tasks. Python: `multiprocessing.pool`.
//
// A task is a function pointer, a lambda without captures, mp::partial(f, arguments...) or an
// object with operator() and `serialize`; its arguments and its result are messages.
//
// Threads: a pool may be used from any number of threads.
// Fork:    a pool belongs to the process that made it. In a child its handles throw RuntimeError,
//          and do nothing at their end.
// Death:   of a worker, however: the item that it was running fails with WorkerLost, all others go
//          on, another worker takes its place. Of the process that made the pool: the workers end
//          within a second.
#pragma once
#include <concepts>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <multiprocessing/detail/pool_calls.hpp>
#include <multiprocessing/detail/pool_handle.hpp>
#include <multiprocessing/detail/thread_pool_core.hpp>
#include <multiprocessing/detail/worker_state.hpp>
#include <multiprocessing/timeout.hpp>
#include <optional>
#include <utility>
#include <vector>

namespace multiprocessing {

class Context;

/// The keyword arguments of Python's `Pool(…)`, and more.
struct PoolOptions {
  std::optional<std::int64_t> processes = std::nullopt;  ///< not given: cpu_count()
  /// How many tasks (chunks of a map) a worker does before a fresh one takes its place; not given:
  /// any number.
  std::optional<std::int64_t> maxtasksperchild = std::nullopt;
  /// How long an item may run: then its worker is stopped by SIGTERM, a second later by SIGKILL,
  /// and the item fails with TimeoutError.
  Timeout task_timeout = forever;
};

/// Worker processes that run tasks. A handle: copies name the same pool, which is terminated with
/// the last one.
class Pool : public detail::PoolCalls<Pool> {
 public:
  /// Starts the workers, each of which first calls `initializer(arguments...)`. They are daemons.
  /// What an initializer throws is the error of every call that waits or comes.
  /// THROWS: ValueError for a number below 1, and what Process::start throws: AssertionError in a
  /// daemon (a worker of another Pool), TypeError for an initializer that cannot go there.
  Pool() : Pool(PoolOptions{}) {}
  explicit Pool(std::int64_t processes) : Pool(PoolOptions{.processes = processes}) {}
  template <class F, class... Args>
  Pool(std::int64_t processes, F&& initializer, Args&&... arguments)
      : Pool(PoolOptions{.processes = processes}, std::forward<F>(initializer),
             std::forward<Args>(arguments)...) {}
  explicit Pool(PoolOptions options) : Pool(nullptr, options) {}
  template <class F, class... Args>
  Pool(PoolOptions options, F&& initializer, Args&&... arguments)
      : Pool(nullptr, options, std::forward<F>(initializer), std::forward<Args>(arguments)...) {}

  /// No more tasks; the workers leave when those that there are have ended. May be called again.
  void close() const { handle_->close(); }
  /// Stops the workers; what has not ended fails with BrokenProcessPool. Returns within five
  /// seconds, whatever the tasks do.
  void terminate() const { handle_->terminate(SIGTERM, true); }
  /// Waits until all tasks and callbacks have ended and the workers are gone. THROWS: ValueError
  /// before close() or terminate().
  void join() const { handle_->join(); }
  /// Of each worker what it is doing. Also after the end.
  [[nodiscard]] std::vector<WorkerStats> stats() const { return handle_->stats(); }

  friend bool operator==(const Pool& a, const Pool& b) noexcept { return a.handle_ == b.handle_; }

 private:
  friend class detail::PoolCalls<Pool>;
  friend class Context;

  using Attention = detail::PoolHandle::Attention;
  template <class F, class Item, detail::Style style>
  using Writer = detail::CheckedChunkWriter<F, Item, style>;

  template <class... Initializer>
  Pool(process::Launcher* launcher, const PoolOptions& options, Initializer&&... initializer)
      : handle_(std::make_shared<detail::PoolHandle>(
            plan(launcher, options, std::forward<Initializer>(initializer)...))) {}

  template <class... Initializer>
  static detail::PoolPlan plan(process::Launcher* launcher, const PoolOptions& options,
                               Initializer&&... initializer) {
    detail::PoolPlan result{detail::checked_workers(options.processes),
                            detail::checked_maxtasks(options.maxtasksperchild),
                            detail::task_timeout_ns(options.task_timeout),
                            false,
                            nullptr,
                            launcher};
    if constexpr (sizeof...(Initializer) != 0) {
      result.initializer = std::make_shared<detail::BoundTarget<Initializer...>>(
          std::in_place, std::forward<Initializer>(initializer)...);
    }
    return result;
  }

  [[nodiscard]] const detail::PoolHandle& handle() const noexcept { return *handle_; }

  std::shared_ptr<detail::PoolHandle> handle_;
};

/// The same with threads of this process: any callable and any type is a task, and nothing is
/// copied to another process. A task cannot be stopped: timeouts of tasks have no effect, and the
/// end of a pool waits for those under way. One that calls exit() fails with RemoteError, as in a
/// Pool. Python: `multiprocessing.pool.ThreadPool`.
class ThreadPool : public detail::PoolCalls<ThreadPool> {
 public:
  /// THROWS: ValueError for a number below 1.
  ThreadPool() : ThreadPool(std::optional<std::int64_t>()) {}
  explicit ThreadPool(std::int64_t threads) : ThreadPool(std::optional(threads)) {}
  template <class F, class... Args>
  ThreadPool(std::int64_t threads, F initializer, Args... arguments)
      : ThreadPool(std::optional(threads),
                   [=]() mutable { std::invoke(initializer, arguments...); }) {}

  void close() const { handle_->close(); }
  /// Drops what has not begun; it fails with BrokenProcessPool.
  void terminate() const { handle_->terminate(); }
  /// THROWS: ValueError before close() or terminate().
  void join() const { handle_->join(); }
  [[nodiscard]] std::vector<WorkerStats> stats() const { return handle_->stats(); }

  friend bool operator==(const ThreadPool& a, const ThreadPool& b) noexcept {
    return a.handle_ == b.handle_;
  }

 private:
  friend class detail::PoolCalls<ThreadPool>;

  struct Attention {
    explicit Attention(const detail::ThreadPoolHandle&) {}
  };
  template <class F, class Item, detail::Style style>
  using Writer = detail::ThreadChunk<F, Item, style>;

  explicit ThreadPool(std::optional<std::int64_t> threads, std::function<void()> initializer = {})
      : handle_(std::make_shared<detail::ThreadPoolHandle>(detail::checked_workers(threads),
                                                           std::move(initializer))) {}
  [[nodiscard]] const detail::ThreadPoolHandle& handle() const noexcept { return *handle_; }

  std::shared_ptr<detail::ThreadPoolHandle> handle_;
};

}  // namespace multiprocessing
