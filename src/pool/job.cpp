// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <chrono>
#include <multiprocessing/detail/job.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <utility>

#include "os/log.hpp"
#include "pool/ending.hpp"
#include "process/error_codec.hpp"
#include "process/exit.hpp"

namespace multiprocessing::detail {
namespace {

using Clock = std::chrono::steady_clock;

bool sleep_until(std::condition_variable& changed, std::unique_lock<std::mutex>& lock,
                 Timeout timeout, Clock::time_point end) {
  if (!timeout.is_forever()) return changed.wait_until(lock, end) == std::cv_status::no_timeout;
  changed.wait(lock);
  return true;
}

// The job whose callbacks this thread calls.
thread_local const Job* calling_back = nullptr;

void call_safely(const std::function<void()>& callback) noexcept {
  const process::ExitScope scope;
  try {
    callback();
  } catch (const SystemExit& exit) {
    process::end_process(exit.code());
  } catch (const std::exception& error) {
    os::log(LogLevel::error, fmt::format("a callback of a pool threw: {}", error.what()));
  } catch (...) {
    os::log(LogLevel::error, "a callback of a pool threw something that is no std::exception");
  }
}

}  // namespace

bool Job::calls_back_here() const noexcept { return calling_back == this; }

std::exception_ptr decode_task_error(Decoder& decoder) { return process::decode_error(decoder); }

std::exception_ptr current_error() {
  if (auto error = std::current_exception()) return error;
  return std::make_exception_ptr(RuntimeError("something was thrown that is no C++ exception"));
}

void Job::fail(std::size_t /*item*/, std::exception_ptr error) {
  const std::lock_guard guard(mutex_);
  if (error_ == nullptr) error_ = std::move(error);
}

void Job::note_ended(std::size_t items) {
  std::unique_lock lock(mutex_);
  ended_ += items;
  end_if_all(lock);
}

void Job::expect(std::size_t items) {
  std::unique_lock lock(mutex_);
  expected_ = items;
  end_if_all(lock);
}

// What has to be called is left to the result thread, which then calls finish().
void Job::end_if_all(std::unique_lock<std::mutex>& lock) {
  const bool all = ended_ >= expected_;
  const bool to_call = progress_ != nullptr || (all && !callbacks_.empty());
  if (to_call) {
    if (std::exchange(calling_, true)) return;
    lock.unlock();
    return host_->call_back(shared_from_this());
  }
  if (all && !calling_) return finish(lock);
  changed_.notify_all();
}

void Job::settle_once() {
  if (!std::exchange(settled_, true)) settle();
}

void Job::finish(std::unique_lock<std::mutex>& lock) {
  if (done_.load()) return;
  settle_once();
  done_.store(true, std::memory_order_release);
  const auto listeners = std::exchange(listeners_, {});
  changed_.notify_all();
  lock.unlock();
  for (const auto& each : listeners) each.second();
}

void Job::run_callbacks() {
  const pool::NeededByEnd needed;
  std::unique_lock lock(mutex_);
  for (std::size_t told = SIZE_MAX;;) {
    if (progress_ != nullptr && told != ended_) {
      told = ended_;
      lock.unlock();
      call_safely([&] { progress_(told); });
      lock.lock();
      continue;
    }
    if (ended_ < expected_ || callbacks_.empty()) break;
    settle_once();
    const auto callback = std::move(callbacks_.front());
    callbacks_.erase(callbacks_.begin());
    lock.unlock();
    calling_back = this;
    call_safely(callback);
    calling_back = nullptr;
    lock.lock();
  }
  calling_ = false;
  if (ended_ >= expected_) finish(lock);
  if (lock.owns_lock()) lock.unlock();
  if (host_ != nullptr) host_->notify();
}

bool Job::wait_until(JobHost::Satisfied satisfied, void* context, Timeout timeout) {
  struct Question {
    Job& job;
    JobHost::Satisfied satisfied;
    void* context;
  } question{*this, satisfied, context};
  {
    const std::lock_guard guard(mutex_);
    if (satisfied(context)) return true;
  }
  const bool limited = !timeout.is_forever();
  const Clock::time_point end = limited
                                    ? Clock::now() + std::chrono::nanoseconds(timeout.nanoseconds())
                                    : Clock::time_point();
  const auto ask = [](void* asked) {
    auto& [job, is_there, its_context] = *static_cast<Question*>(asked);
    const std::lock_guard guard(job.mutex_);
    return is_there(its_context);
  };
  if (host_ != nullptr && host_->collect(ask, &question, timeout)) return ask(&question);
  if (host_ != nullptr) host_->count_waiter(+1);
  bool there = false;
  {
    std::unique_lock lock(mutex_);
    while (!(there = satisfied(context)) && sleep_until(changed_, lock, timeout, end)) {
    }
    there = there || satisfied(context);
  }
  if (host_ != nullptr) host_->count_waiter(-1);
  return there;
}

void Job::require_own_or_done() const {
  if (host_ != nullptr && !done()) host_->require_own();
}

bool Job::wait(Timeout timeout) {
  if (done()) return true;
  return wait_until([](void* self) { return static_cast<Job*>(self)->done(); }, this, timeout);
}

std::exception_ptr Job::error() const {
  const std::lock_guard guard(mutex_);
  return error_;
}

void Job::rethrow() const {
  if (const std::exception_ptr first = error()) fail_unless_ending(first);
}

std::size_t Job::items_ended() const {
  const std::lock_guard guard(mutex_);
  return ended_;
}

std::size_t Job::items_expected() const {
  const std::lock_guard guard(mutex_);
  return expected_;
}

bool Job::cancel() {
  if (done()) return cancelled();
  if (host_ == nullptr || !host_->take_back(*this)) return cancelled();
  note_cancelled(0, 1);
  // A thread that waits for it may be the one that collects.
  host_->notify();
  return true;
}

void Job::note_cancelled(std::size_t first, std::size_t items) {
  cancelled_.store(true);
  const auto error =
      std::make_exception_ptr(CancelledError("the call was cancelled before it began"));
  for (std::size_t i = 0; i < items; ++i) fail(first + i, error);
  note_ended(items);
}

bool Job::running() { return !done() && host_ != nullptr && host_->begun(*this); }

void Job::abandon() noexcept {
  abandoned_.store(true);
  if (host_ != nullptr && !done()) host_->abandon(*this);
}

void Job::when_done(std::function<void()> callback) {
  {
    const std::lock_guard guard(mutex_);
    if (!done_.load()) return callbacks_.push_back(std::move(callback));
  }
  call_safely(callback);
}

std::uint64_t Job::listen(std::function<void()> listener) {
  {
    const std::lock_guard guard(mutex_);
    if (!done_.load()) {
      listeners_.emplace_back(++last_listener_, std::move(listener));
      return last_listener_;
    }
  }
  listener();
  return 0;
}

void Job::forget(std::uint64_t listener) {
  const std::lock_guard guard(mutex_);
  std::erase_if(listeners_, [&](const auto& each) { return each.first == listener; });
}

void Job::on_progress(std::function<void(std::size_t)> progress) {
  const std::lock_guard guard(mutex_);
  progress_ = std::move(progress);
}

}  // namespace multiprocessing::detail
