// SPDX-License-Identifier: BSL-1.0
// Calls whose results come later. Python: `concurrent.futures`.
//
// Threads: everything may be used from any number of threads.
// Fork:    an executor belongs to the process that made it, see pool.hpp.
// Death:   of a worker: the call that it was running fails with WorkerLost, all others go on.
#pragma once
#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <multiprocessing/detail/async_result.hpp>
#include <multiprocessing/detail/future_waiter.hpp>
#include <multiprocessing/detail/pool_calls.hpp>
#include <multiprocessing/detail/pool_handle.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/timeout.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing {

class ProcessPoolExecutor;
namespace detail {
struct FutureAccess;
}  // namespace detail

/// The result of a call, once it is there. A handle: copies are of the same call.
template <class R> class Future {
 public:
  using result_type = R;

  /// Of no call: everything but comparison and assignment throws InvalidStateError.
  Future() = default;

  /// Waits for the result; may be called again. THROWS: TimeoutError when the time is over,
  /// CancelledError, and what the call threw. A result that cannot be copied is given once.
  R result(Timeout timeout = forever) const { return detail::result_of(job(), timeout); }

  /// Waits for the end: what the call threw, null if it returned. THROWS: TimeoutError,
  /// CancelledError.
  [[nodiscard]] std::exception_ptr exception(Timeout timeout = forever) const {
    if (!job().wait(timeout)) detail::fail_not_in_time(timeout);
    if (job().cancelled()) job().rethrow();
    return job().error();
  }

  /// Takes the call back if no worker has begun it. Says whether it is cancelled. THROWS:
  /// RuntimeError in a forked child, as all that waits, unless it was done before.
  bool cancel() const { return job().cancel(); }
  [[nodiscard]] bool cancelled() const { return job().cancelled(); }
  /// Whether a worker has begun it and not ended it.
  [[nodiscard]] bool running() const { return job().running(); }
  /// Whether it has a result or an error, or was cancelled.
  [[nodiscard]] bool done() const { return job().done(); }

  /// Calls `callback` with this future when it is done, in the executor's one result thread, and
  /// before result() returns; at once if it is done already. What it throws is logged.
  void add_done_callback(std::function<void(const Future&)> callback) const {
    const std::weak_ptr<detail::ResultJob<R>> weak = job_;
    job().when_done([weak, callback = std::move(callback)] { callback(Future(weak.lock())); });
  }

  friend bool operator==(const Future&, const Future&) = default;
  friend bool operator<(const Future& a, const Future& b) noexcept { return a.job_ < b.job_; }

 private:
  friend class ProcessPoolExecutor;
  friend struct detail::FutureAccess;
  friend struct std::hash<Future>;

  explicit Future(std::shared_ptr<detail::ResultJob<R>> job) noexcept : job_(std::move(job)) {}
  [[nodiscard]] detail::ResultJob<R>& job() const {
    if (job_ == nullptr) detail::fail_no_call();
    return *job_;
  }

  std::shared_ptr<detail::ResultJob<R>> job_;
};

/// The keyword arguments of Python's `ProcessPoolExecutor(…)`, and more.
struct ExecutorOptions {
  std::optional<std::int64_t> max_workers = std::nullopt;  ///< not given: cpu_count()
  /// How many calls a worker does before a fresh one takes its place; not given: any number.
  std::optional<std::int64_t> max_tasks_per_child = std::nullopt;
  /// How long a call may run: then its worker is stopped, and the call fails with TimeoutError.
  Timeout task_timeout = forever;
  /// The start method of the workers; empty: the default one.
  std::string mp_context = {};
};

/// The last argument of ProcessPoolExecutor::map.
struct ExecutorMapOptions {
  Timeout timeout = forever;  ///< from the call of map to each result
  std::int64_t chunksize = 1;
  std::int64_t buffersize = 0;  ///< how many items are handed on ahead of the reader; 0: all
};

/// Worker processes that run calls. Unlike those of a Pool they may have children, and so pools, of
/// their own. A handle: the last one waits for all calls and for the workers' end.
class ProcessPoolExecutor {
 public:
  /// Starts the workers, each of which first calls `initializer(arguments...)`. THROWS as Pool.
  ProcessPoolExecutor() : ProcessPoolExecutor(ExecutorOptions{}) {}
  explicit ProcessPoolExecutor(std::int64_t max_workers)
      : ProcessPoolExecutor(ExecutorOptions{.max_workers = max_workers}) {}
  template <class F, class... Args>
  ProcessPoolExecutor(std::int64_t max_workers, F&& initializer, Args&&... arguments)
      : ProcessPoolExecutor(ExecutorOptions{.max_workers = max_workers},
                            std::forward<F>(initializer), std::forward<Args>(arguments)...) {}
  explicit ProcessPoolExecutor(const ExecutorOptions& options)
      : handle_(std::make_shared<detail::PoolHandle>(plan(options))) {}
  template <class F, class... Args>
  ProcessPoolExecutor(const ExecutorOptions& options, F&& initializer, Args&&... arguments) {
    detail::PoolPlan made = plan(options);
    made.initializer = std::make_shared<detail::BoundTarget<F, Args...>>(
        std::in_place, std::forward<F>(initializer), std::forward<Args>(arguments)...);
    handle_ = std::make_shared<detail::PoolHandle>(made);
  }

  /// Has a worker call the function with these arguments; TaskOptions may stand last. THROWS:
  /// RuntimeError after shutdown(), what broke the executor, what the serialisation throws.
  template <class F, class... Args> auto submit(F&& function, Args&&... args) const {
    auto job = Calls{handle_.get()}.apply_job(true, std::forward<F>(function),
                                              std::forward<Args>(args)...);
    using R = typename decltype(job)::element_type::Result;
    return Future<R>(std::move(job));
  }

  /// Calls the function with each item: a range of the results, in the order of the items. The
  /// items are all read at once, unless there is a buffersize. What a call throws comes at its
  /// place; when the range goes, what has not begun is cancelled.
  template <class F, detail::Iterable Items>
  auto map(F&& function, Items&& items, ExecutorMapOptions options = {}) const {
    return Calls{handle_.get()}.ahead(std::forward<F>(function), std::forward<Items>(items),
                                      options.chunksize, options.buffersize, options.timeout);
  }

  /// No more calls. Waits for those that there are, unless `wait` is false; they go on in either
  /// case, but for those that no worker has begun, if `cancel_futures` is true. May be called
  /// again.
  void shutdown(bool wait = true, bool cancel_futures = false) const {
    handle_->shutdown(wait, cancel_futures);
  }
  /// No more calls; what no worker has begun is cancelled; the workers are ended by SIGTERM, and by
  /// SIGKILL if they don't within a second. Does not wait.
  void terminate_workers() const { stop(SIGTERM); }
  /// The same by SIGKILL.
  void kill_workers() const { stop(SIGKILL); }

  /// Of each worker what it is doing. Also after the end.
  [[nodiscard]] std::vector<WorkerStats> stats() const { return handle_->stats(); }

  friend bool operator==(const ProcessPoolExecutor&, const ProcessPoolExecutor&) = default;

 private:
  // The calls of a Pool, of which only some are an executor's.
  struct Calls : detail::PoolCalls<Calls> {
    using detail::PoolCalls<Calls>::ahead;
    using detail::PoolCalls<Calls>::apply_job;
    explicit Calls(const detail::PoolHandle* of) : pool(of) {}
    using Attention = detail::PoolHandle::Attention;
    template <class F, class Item, detail::Style style>
    using Writer = detail::CheckedChunkWriter<F, Item, style>;
    [[nodiscard]] const detail::PoolHandle& handle() const noexcept { return *pool; }
    const detail::PoolHandle* pool;
  };

  static detail::PoolPlan plan(const ExecutorOptions& options);
  void stop(int signal) const;

  std::shared_ptr<detail::PoolHandle> handle_;
};

/// When wait() returns.
enum class ReturnWhen { kFirstCompleted, kFirstException, kAllCompleted };
inline constexpr ReturnWhen FIRST_COMPLETED = ReturnWhen::kFirstCompleted;
/// At the first one that ended by an exception; if none does, when all have ended.
inline constexpr ReturnWhen FIRST_EXCEPTION = ReturnWhen::kFirstException;
inline constexpr ReturnWhen ALL_COMPLETED = ReturnWhen::kAllCompleted;

/// What wait() gives; each future is in one of the two, once.
template <class R> struct DoneAndNotDone {
  std::vector<Future<R>> done;
  std::vector<Future<R>> not_done;
};

namespace detail {
template <class Futures>
using future_result_t =
    typename std::remove_cvref_t<decltype(*std::begin(std::declval<Futures&>()))>::result_type;

struct FutureAccess {
  template <class R> static const std::shared_ptr<ResultJob<R>>& job(const Future<R>& future) {
    static_cast<void>(future.job());
    return future.job_;
  }
};

/// Each once, in their order.
template <class Futures> auto distinct(const Futures& futures) {
  std::vector<Future<future_result_t<const Futures>>> result;
  for (const auto& future : futures) {
    if (std::find(result.begin(), result.end(), future) == result.end()) result.push_back(future);
  }
  return result;
}
}  // namespace detail

/// Waits until as many are done as `return_when` says, or the time is over. Any container of
/// futures. THROWS: RuntimeError in a forked child, unless all are done.
template <class Futures>
auto wait(const Futures& futures, Timeout timeout = forever,
          ReturnWhen return_when = ALL_COMPLETED) {
  const auto all = detail::distinct(futures);
  detail::FutureWaiter waiter(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) waiter.watch(i, *detail::FutureAccess::job(all[i]));
  waiter.wait_for(return_when == ReturnWhen::kAllCompleted ? all.size() : 1,
                  return_when == ReturnWhen::kFirstException, timeout);
  DoneAndNotDone<detail::future_result_t<const Futures>> result;
  for (const auto& future : all) {
    (future.done() ? result.done : result.not_done).push_back(future);
  }
  return result;
}

/// The futures as they become done; see as_completed(). It has one reader.
template <class R> class CompletedFutures {
 public:
  CompletedFutures(std::vector<Future<R>> futures, Timeout timeout)
      : futures_(std::move(futures)),
        waiter_(std::make_unique<detail::FutureWaiter>(futures_.size())),
        until_(timeout) {
    for (std::size_t i = 0; i < futures_.size(); ++i) {
      waiter_->watch(i, *detail::FutureAccess::job(futures_[i]));
    }
  }

  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Future<R>;
    using difference_type = std::ptrdiff_t;
    using pointer = const value_type*;
    using reference = const value_type&;
    iterator() = default;
    explicit iterator(CompletedFutures& of) : of_(&of) { ++*this; }
    const value_type& operator*() const { return current_; }
    const value_type* operator->() const { return &current_; }
    iterator& operator++() {
      const std::optional<std::size_t> next = of_->waiter_->next(of_->until_);
      of_ = next ? of_ : nullptr;
      if (next) current_ = of_->futures_[*next];
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) {
      return it.of_ == nullptr;
    }

   private:
    CompletedFutures* of_ = nullptr;
    Future<R> current_;
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  std::vector<Future<R>> futures_;
  std::unique_ptr<detail::FutureWaiter> waiter_;
  detail::WaitLimit until_;
};

/// The futures as they become done, those that are already first, each once. THROWS as wait();
/// reading the range THROWS TimeoutError when the time, counted from this call, is over before all
/// are done.
template <class Futures> auto as_completed(const Futures& futures, Timeout timeout = forever) {
  return CompletedFutures<detail::future_result_t<const Futures>>(detail::distinct(futures),
                                                                  timeout);
}

}  // namespace multiprocessing

template <class R> struct std::hash<multiprocessing::Future<R>> {
  std::size_t operator()(const multiprocessing::Future<R>& future) const noexcept {
    return std::hash<std::shared_ptr<multiprocessing::detail::ResultJob<R>>>()(future.job_);
  }
};
