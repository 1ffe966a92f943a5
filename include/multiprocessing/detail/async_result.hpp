// SPDX-License-Identifier: BSL-1.0
// The result of an asynchronous call of a pool. Python: `multiprocessing.pool.AsyncResult`.
#pragma once
#include <multiprocessing/detail/typed_job.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/timeout.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace multiprocessing {

namespace detail {
/// THROWS: TimeoutError; ValueError.
[[noreturn]] void fail_not_in_time(Timeout timeout);
[[noreturn]] void fail_not_ready();
/// Calls `on_error` with the exception as a std::exception.
void call_with(const std::function<void(const std::exception&)>& on_error,
               const std::exception_ptr& error);
template <class Pool> class PoolCalls;

/// What the job has given, when it is done. THROWS: TimeoutError, and its error.
template <class R> R result_of(ResultJob<R>& job, Timeout timeout) {
  if (!job.wait(timeout)) fail_not_in_time(timeout);
  job.rethrow();
  if constexpr (std::is_void_v<R>) {
    return;
  } else if constexpr (std::is_copy_constructible_v<R>) {
    return job.value();
  } else {
    return std::move(job.value());
  }
}
}  // namespace detail

/// What a task will have returned. A handle: copies are of the same call, which goes on when they
/// are gone. What was terminated or lost ends with an error: nobody waits for ever.
///
/// Threads: every function from any thread. Fork: of no use in a child.
template <class R> class AsyncResult {
 public:
  /// Waits for the result; may be called again. THROWS: TimeoutError when the time is over, and
  /// what the task threw. A result that cannot be copied is given once.
  R get(Timeout timeout = forever) const { return detail::result_of(*job_, timeout); }

  /// Waits for the end; says whether it has come.
  bool wait(Timeout timeout = forever) const { return job_->wait(timeout); }
  /// Whether the result or an error is there.
  [[nodiscard]] bool ready() const noexcept { return job_->done(); }
  /// Whether it ended without an error. THROWS: ValueError before it is ready.
  [[nodiscard]] bool successful() const {
    if (!job_->done()) detail::fail_not_ready();
    return job_->error() == nullptr;
  }

  /// Python's `callback` and `error_callback`: one of the two is called, once, in the pool's one
  /// result thread and before get() returns; at once if the result is there already. A slow one
  /// holds up the others; what it throws is logged.
  template <class OnResult>
  const AsyncResult& then(OnResult on_result,
                          std::function<void(const std::exception&)> on_error = nullptr) const {
    // The callbacks lie in the job: a pointer back would keep it for ever.
    detail::ResultJob<R>* job = job_.get();
    job_->when_done([job, on_result = std::move(on_result), on_error = std::move(on_error)] {
      if (const std::exception_ptr error = job->error()) {
        if (on_error) detail::call_with(on_error, error);
      } else if constexpr (std::is_void_v<R>) {
        on_result();
      } else {
        on_result(job->value());
      }
    });
    return *this;
  }

 private:
  template <class Pool> friend class detail::PoolCalls;
  explicit AsyncResult(std::shared_ptr<detail::ResultJob<R>> job) noexcept : job_(std::move(job)) {}

  // For the only one who has it.
  R take() && {
    job_->wait(forever);
    job_->rethrow();
    if constexpr (!std::is_void_v<R>) return std::move(job_->value());
  }

  std::shared_ptr<detail::ResultJob<R>> job_;
};

}  // namespace multiprocessing
