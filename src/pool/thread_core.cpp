// SPDX-License-Identifier: BSL-1.0
#include "pool/thread_core.hpp"

#include <cxxabi.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <multiprocessing/detail/worker_state.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <system_error>
#include <utility>

#include "os/clock.hpp"
#include "process/error_codec.hpp"
#include "process/exit.hpp"
#include "process/tree.hpp"

namespace multiprocessing::pool {
namespace {

// The pool of which this thread is one.
thread_local const ThreadCore* working_here = nullptr;

}  // namespace

ThreadCore::ThreadCore(std::uint32_t threads, std::function<void()> initializer)
    : count_(threads),
      initializer_(std::move(initializer)),
      maker_(process::generation()),
      since_ns_(os::now_ns()),
      counts_(threads) {}

ThreadCore::~ThreadCore() = default;

bool ThreadCore::own() const noexcept { return maker_ == process::generation(); }

void ThreadCore::open() {
  const auto self = shared_from_this();
  try {
    for (std::uint32_t i = 0; i < count_; ++i) {
      threads_.emplace_back([self, i] { self->work(i); });
      const std::lock_guard guard(mutex_);
      ++started_;
    }
  } catch (...) {
    terminate();
    join();
    throw;
  }
}

// No task is run from here on.
void ThreadCore::break_by(const std::exception_ptr& error) {
  std::deque<Task> failed;
  {
    const std::lock_guard guard(mutex_);
    if (broken_ == nullptr) broken_ = error;
    failed.swap(waiting_);
    open_ = false;
  }
  changed_.notify_all();
  for (const Task& task : failed) task.run(error);
}

// The end of a thread that is caught is no object: UBSan would mind the reference to it, and would
// where this is inlined.
__attribute__((no_sanitize("null"), noinline)) bool ThreadCore::initialize() {
  try {
    if (initializer_) initializer_();
    return true;
  } catch (const abi::__forced_unwind&) {
    break_by(detail::thread_end_error());
    throw;
  } catch (...) {
    break_by(detail::task_error());
    return false;
  }
}

// As above.
__attribute__((no_sanitize("null"), noinline)) void ThreadCore::work(std::uint32_t number) {
  struct Ended {
    ThreadCore& core;
    ~Ended() {
      const std::lock_guard guard(core.mutex_);
      ++core.ended_;
      core.changed_.notify_all();
    }
  };
  working_here = this;
  const Ended ended{*this};
  // A task that calls exit() fails, and its thread goes on.
  const process::ExitScope scope;
  Task task;
  try {
    if (initialize()) run_tasks(number, task);
  } catch (const abi::__forced_unwind&) {
    if (task.run != nullptr) go_on_elsewhere(number, std::move(task));
    throw;
  }
}

void ThreadCore::run_tasks(std::uint32_t number, Task& task) {
  for (std::unique_lock lock(mutex_);;) {
    changed_.wait(lock, [this] { return !waiting_.empty() || !open_; });
    if (waiting_.empty()) return;
    task = std::move(waiting_.front());
    waiting_.pop_front();
    task.job->place = 0;
    lock.unlock();
    const std::int64_t begin = os::now_ns();
    task.run(nullptr);
    const std::size_t items = task.items;
    task = Task();
    const std::int64_t end = os::now_ns();
    lock.lock();
    counts_[number].tasks += items;
    counts_[number].busy_ns += end - begin;
  }
}

// The thread is about to end, with a task that has not.
void ThreadCore::go_on_elsewhere(std::uint32_t number, Task task) noexcept {
  {
    const std::lock_guard guard(mutex_);
    waiting_.push_front(std::move(task));
    ++started_;
  }
  try {
    std::thread([self = shared_from_this(), number] { self->work(number); }).detach();
  } catch (const std::system_error&) {
    {
      const std::lock_guard guard(mutex_);
      --started_;
    }
    break_by(std::current_exception());
  }
}

void ThreadCore::require_own() const {
  if (own()) return;
  throw RuntimeError("this ThreadPool's threads are in the process that made it; make one here");
}

void ThreadCore::require_open() const {
  require_own();
  const std::lock_guard guard(mutex_);
  require_open_locked();
}

void ThreadCore::require_open_locked() const {
  if (broken_ != nullptr) std::rethrow_exception(broken_);
  if (!open_) {
    throw ValueError("this ThreadPool takes no more tasks: it was closed or terminated");
  }
}

void ThreadCore::submit(std::shared_ptr<Job> job, std::size_t items, detail::ChunkRunner run) {
  require_own();
  {
    const std::lock_guard guard(mutex_);
    require_open_locked();
    job->place = 1;
    waiting_.push_back({std::move(job), items, std::move(run)});
  }
  changed_.notify_one();
}

void ThreadCore::close() {
  const std::lock_guard guard(mutex_);
  open_ = false;
  changed_.notify_all();
}

void ThreadCore::terminate() {
  std::deque<Task> dropped;
  {
    const std::lock_guard guard(mutex_);
    open_ = false;
    dropped.swap(waiting_);
    changed_.notify_all();
  }
  const auto error = std::make_exception_ptr(
      BrokenProcessPool("this ThreadPool was terminated before the task had begun"));
  for (const Task& task : dropped) task.run(error);
}

void ThreadCore::join() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard guard(mutex_);
    if (open_) {
      throw ValueError(
          "cannot join a ThreadPool that takes tasks: call close() or terminate() first");
    }
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) {
    // A task or callback that ends its own pool does not wait for itself.
    if (thread.get_id() == std::this_thread::get_id()) {
      thread.detach();
    } else {
      thread.join();
    }
  }
  if (working_here == this) return;
  // Another thread may be joining them.
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return ended_ == started_; });
}

std::vector<WorkerStats> ThreadCore::stats() const {
  std::vector<WorkerStats> result;
  const std::lock_guard guard(mutex_);
  for (std::uint32_t i = 0; i < count_; ++i) {
    const auto busy = static_cast<double>(counts_[i].busy_ns) * 1e-9;
    const double all = static_cast<double>(os::now_ns() - since_ns_) * 1e-9;
    result.push_back({fmt::format("PoolThread-{}", i + 1), ::getpid(), counts_[i].tasks, busy,
                      std::max(all - busy, 0.0), 0});
  }
  return result;
}

bool ThreadCore::collect(Satisfied /*satisfied*/, void* /*context*/, Timeout /*timeout*/) {
  require_own();
  return false;
}
void ThreadCore::count_waiter(int /*more*/) noexcept {}
void ThreadCore::notify() noexcept {}

// One thread at a time calls callbacks: the one that ended a job, where no other one is at it.
void ThreadCore::call_back(std::shared_ptr<Job> job) {
  std::unique_lock lock(mutex_);
  to_call_.push_back(std::move(job));
  if (std::exchange(calling_, true)) return;
  while (!to_call_.empty()) {
    const std::shared_ptr<Job> next = std::move(to_call_.front());
    to_call_.pop_front();
    lock.unlock();
    next->run_callbacks();
    lock.lock();
  }
  calling_ = false;
}

bool ThreadCore::take_back(Job& job) {
  require_own();
  Task taken;
  const std::lock_guard guard(mutex_);
  const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                  [&](const Task& task) { return task.job.get() == &job; });
  if (found == waiting_.end()) return false;
  taken = std::move(*found);
  waiting_.erase(found);
  return true;
}

bool ThreadCore::begun(Job& job) {
  require_own();
  const std::lock_guard guard(mutex_);
  return job.place == 0;
}

void ThreadCore::abandon(Job& job) noexcept {
  if (!own()) return;
  std::deque<Task> dropped;
  const std::lock_guard guard(mutex_);
  const auto kept = std::stable_partition(waiting_.begin(), waiting_.end(),
                                          [&](const Task& task) { return task.job.get() != &job; });
  dropped.assign(std::make_move_iterator(kept), std::make_move_iterator(waiting_.end()));
  waiting_.erase(kept, waiting_.end());
}

}  // namespace multiprocessing::pool

namespace multiprocessing::detail {

ThreadPoolHandle::ThreadPoolHandle(std::uint32_t threads, std::function<void()> initializer)
    : core_(std::make_shared<pool::ThreadCore>(threads, std::move(initializer))) {
  core_->open();
}

ThreadPoolHandle::~ThreadPoolHandle() {
  if (!core_->own()) {
    // Threads that do not exist in this forked child cannot be joined.
    static_cast<void>(new std::shared_ptr<pool::ThreadCore>(std::move(core_)));
    return;
  }
  core_->terminate();
  core_->join();
}

std::shared_ptr<JobHost> ThreadPoolHandle::host() const { return core_; }
std::uint32_t ThreadPoolHandle::workers() const noexcept { return core_->workers(); }
void ThreadPoolHandle::require_open() const { core_->require_open(); }
void ThreadPoolHandle::close() const {
  core_->require_own();
  core_->close();
}
void ThreadPoolHandle::terminate() const {
  core_->require_own();
  core_->terminate();
}
void ThreadPoolHandle::join() const {
  core_->require_own();
  core_->join();
}
std::vector<WorkerStats> ThreadPoolHandle::stats() const {
  core_->require_own();
  return core_->stats();
}

void submit_to_threads(JobHost& host, std::shared_ptr<Job> job, std::size_t items,
                       ChunkRunner run) {
  static_cast<pool::ThreadCore&>(host).submit(std::move(job), items, std::move(run));
}

std::exception_ptr task_error() {
  const std::exception_ptr error = current_error();
  try {
    std::rethrow_exception(error);
  } catch (const SystemExit&) {
    Encoder encoder;
    process::encode_error(encoder, error);
    Decoder decoder(encoder.bytes());
    return process::decode_error(decoder);
  } catch (...) {
    return error;
  }
}

std::exception_ptr thread_end_error() {
  return std::make_exception_ptr(
      RuntimeError("this ended its thread of a ThreadPool by pthread_exit"));
}

unsigned worker_generation() noexcept { return process::generation() + 1; }

}  // namespace multiprocessing::detail
