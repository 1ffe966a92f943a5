// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <condition_variable>
#include <deque>
#include <multiprocessing/detail/future_waiter.hpp>
#include <multiprocessing/errors.hpp>
#include <mutex>

namespace multiprocessing::detail {

// Shared with the listeners, of which one may be about to be called when the waiter goes.
struct FutureWaiter::State {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::size_t> ended;  // not given yet
  std::size_t jobs = 0;
  std::size_t given = 0;
  std::size_t all_ended = 0;
  std::size_t failed = 0;
};

void fail_no_call() {
  throw InvalidStateError("this Future is of no call: take the one that submit() returns");
}

WaitLimit::WaitLimit(Timeout timeout) {
  if (timeout.is_forever()) return;
  end_ = std::chrono::steady_clock::now() + std::chrono::nanoseconds(timeout.nanoseconds());
}

FutureWaiter::FutureWaiter(std::size_t jobs) : state_(std::make_shared<State>()) {
  state_->jobs = jobs;
  watched_.reserve(jobs);
}

FutureWaiter::~FutureWaiter() {
  for (const auto& [job, listener] : watched_) job->forget(listener);
}

void FutureWaiter::watch(std::size_t i, Job& job) {
  job.require_own_or_done();
  const std::uint64_t listener = job.listen([state = state_, i, &job] {
    // Cancelled ones count as no failures, as in Python.
    const bool failed = !job.cancelled() && job.error() != nullptr;
    const std::lock_guard guard(state->mutex);
    state->ended.push_back(i);
    ++state->all_ended;
    if (failed) ++state->failed;
    state->changed.notify_all();
  });
  if (listener != 0) watched_.emplace_back(job.shared_from_this(), listener);
}

void FutureWaiter::wait_for(std::size_t ended, bool failed, Timeout timeout) {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  const auto enough = [&] {
    return state.all_ended == state.jobs || (failed ? state.failed : state.all_ended) >= ended;
  };
  const WaitLimit limit(timeout);
  if (limit.never()) return state.changed.wait(lock, enough);
  state.changed.wait_until(lock, limit.end(), enough);
}

std::optional<std::size_t> FutureWaiter::next(const WaitLimit& limit) {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  if (state.given == state.jobs) return std::nullopt;
  const auto any = [&] { return !state.ended.empty(); };
  if (limit.never()) {
    state.changed.wait(lock, any);
  } else if (!state.changed.wait_until(lock, limit.end(), any)) {
    throw TimeoutError(
        fmt::format("{} (of {}) futures unfinished", state.jobs - state.all_ended, state.jobs));
  }
  const std::size_t i = state.ended.front();
  state.ended.pop_front();
  ++state.given;
  return i;
}

}  // namespace multiprocessing::detail
