// SPDX-License-Identifier: BSL-1.0
// How a pool's results are collected: by who waits for one, else by the result thread, which also
// calls callbacks.
#include <fmt/format.h>

#include <csignal>
#include <multiprocessing/errors.hpp>
#include <thread>
#include <utility>

#include "os/clock.hpp"
#include "pool/core.hpp"

namespace multiprocessing::pool {
namespace {

// The pool whose results this thread collects.
thread_local const Core* collecting_here = nullptr;
// The pool whose callbacks this thread calls.
thread_local const Core* calling_here = nullptr;

}  // namespace

bool Core::collects_here() const noexcept { return collecting_here == this; }

// The result thread may have ended: then nobody else is left to do it.
void Core::fail_what_came_late() {
  notify();
  while (events_.load()) {
    if (collects_here()) return handle_events();
    if (take_attention()) {
      handle_events();
      leave_attention();
    }
    std::this_thread::yield();
  }
}

bool Core::should_collect() const noexcept {
  return events_.load() || desk_.unattended() != 0 ||
         (desk_.outstanding() != 0 && (waiters_.load() != 0 || state_.load() != State::kOpen));
}

void Core::call_result_thread() noexcept { result_gate_.notify_one(); }

bool Core::take_attention() noexcept {
  if (collecting_here != nullptr || collecting_.exchange(true)) return false;
  collecting_here = this;
  return true;
}

void Core::leave_attention() noexcept {
  collecting_here = nullptr;
  collecting_.store(false);
  if (should_collect()) call_result_thread();
}

bool Core::collect(Satisfied satisfied, void* context, Timeout timeout) {
  require_own();
  const bool mine = collects_here();
  if (!mine && !take_attention()) return false;
  struct Leave {
    Core& core;
    bool take;
    ~Leave() {
      if (take) core.leave_attention();
    }
  } const leave{*this, !mine};
  collect_here(satisfied, context, os::Deadline::after(timeout));
  return true;
}

void Core::collect_here(Satisfied satisfied, void* context, const os::Deadline& deadline) {
  for (;;) {
    if (events_.load()) handle_events();
    desk_.collect();
    if (desk_.outstanding() == 0 && state_.load() != State::kOpen) dismiss_if_done();
    if (satisfied(context) || deadline.passed()) return;
    const auto available = [this]() noexcept -> std::uint32_t {
      return desk_.results_wait() || events_.load(std::memory_order_relaxed) ? 1 : 0;
    };
    board_.results.wait(patience_, available, deadline);
  }
}

// By the thread that collects.
void Core::handle_events() {
  events_.store(false);
  std::vector<Death> deaths;
  bool staff_gone = false;
  std::exception_ptr error;
  {
    const std::lock_guard guard(mutex_);
    deaths.swap(deaths_);
    staff_gone = staff_gone_;
    error = broken_;
  }
  for (const Death& death : deaths) desk_.bury(death);
  if (!staff_gone) return;
  if (desk_.outstanding() != 0) {
    desk_.fail_all(error != nullptr
                       ? error
                       : std::make_exception_ptr(BrokenProcessPool(fmt::format(
                             "this {} was terminated before the task had ended", name()))));
  }
  const std::lock_guard guard(mutex_);
  failed_all_ = true;
  call_result_thread();
}

void Core::dismiss_if_done() {
  if (board_.stop.load() == 0) staff_.dismiss();
}

void Core::serve_results() {
  struct Wanted {
    static bool over(void* core) {
      auto& self = *static_cast<Core*>(core);
      const std::lock_guard guard(self.mutex_);
      return !self.to_call_.empty() || (!self.should_collect() && !self.events_.load());
    }
  };
  calling_here = this;
  for (;;) {
    const auto wanted = [this]() noexcept {
      const std::lock_guard guard(mutex_);
      return !to_call_.empty() || failed_all_ || (should_collect() && !collecting_.load());
    };
    result_gate_.wait(wanted, os::Deadline::never());
    run_callbacks();
    if (should_collect() && take_attention()) {
      collect_here(Wanted::over, this, os::Deadline::never());
      leave_attention();
    }
    const std::lock_guard guard(mutex_);
    if (failed_all_ && to_call_.empty()) {
      result_thread_ended_ = true;
      ended_.notify_all();
      return;
    }
  }
}

void Core::run_callbacks() {
  for (;;) {
    std::shared_ptr<Job> job;
    {
      const std::lock_guard guard(mutex_);
      if (to_call_.empty()) return;
      job = std::move(to_call_.front());
      to_call_.pop_front();
    }
    const os::ProgramCode code;
    job->run_callbacks();
  }
}

void Core::count_waiter(int more) noexcept {
  waiters_ += more;
  if (more > 0 && !collecting_.load()) call_result_thread();
}

void Core::call_back(std::shared_ptr<Job> job) {
  {
    std::unique_lock lock(mutex_);
    if (result_thread_ended_) {
      // Of a call that came as the pool ended.
      lock.unlock();
      return job->run_callbacks();
    }
    to_call_.push_back(std::move(job));
  }
  call_result_thread();
  // The result thread may be the one that collects, and about to sleep: it looks at events_ last.
  notify();
}

void Core::notify() noexcept {
  events_.store(true);
  board_.results.notify_all();
  if (!collecting_.load()) call_result_thread();
}

// Of an executor that takes no more. The calling thread never returns to what it was at.
void Core::await_calls_at_exit() {
  if (calling_here != this && !collects_here()) {
    await_end(os::Deadline::never());
    return;
  }
  // In the midst of a result, which will never be whole.
  if (collecting_here != nullptr) return staff_.stop(SIGTERM);
  // In a callback: where no other thread collects, only this one can.
  const auto none_left = [](void* core) {
    return static_cast<Core*>(core)->desk_.outstanding() == 0;
  };
  while (!none_left(this)) {
    if (take_attention()) {
      collect_here(none_left, this, os::Deadline::never());
      leave_attention();
    } else {
      result_gate_.wait([&]() noexcept { return none_left(this) || !collecting_.load(); },
                        os::Deadline::never());
    }
  }
  dismiss_if_done();
}

bool Core::await_end(const os::Deadline& deadline) noexcept {
  // A callback that ends its own pool cannot wait for itself.
  if (calling_here == this || collects_here()) return true;
  std::unique_lock lock(mutex_);
  const auto over = [this] { return result_thread_ended_; };
  if (deadline.is_never()) return ended_.wait(lock, over), true;
  return ended_.wait_for(lock, std::chrono::nanoseconds(deadline.at_ns() - os::now_ns()), over);
}

}  // namespace multiprocessing::pool
