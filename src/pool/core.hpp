// SPDX-License-Identifier: BSL-1.0
// A pool in the process that made it: what its handles share.
//
// Threads of the pool's own: one keeps the workers (staff.hpp), one collects results where nobody
// waits for them, and calls callbacks. Who waits for a result collects himself, so that a task and
// its result pass from thread to thread no oftener than they must.
//
// Fork: a child has neither the threads nor the workers; its copies of handles do nothing.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <multiprocessing/detail/pool_handle.hpp>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "os/patience.hpp"
#include "os/thread.hpp"
#include "pool/codes.hpp"
#include "pool/desk.hpp"
#include "pool/staff.hpp"
#include "process/exit.hpp"
#include "sync/gate.hpp"

namespace multiprocessing::pool {

class Core final : public detail::TaskHost, public std::enable_shared_from_this<Core> {
 public:
  Core(memory::Handle board, const detail::PoolPlan& plan);
  ~Core();

  /// Starts the threads. Once, when it lies in a shared_ptr.
  void open();

  std::uint64_t begin_call() override;
  void submit(const detail::NewChunk& chunk, const detail::Encoder& arguments,
              ParcelOwner parcel) override;
  /// THROWS: ValueError (of an executor RuntimeError) if it takes no tasks any more; what broke it.
  void require_open();
  void require_own() const override;

  void close();
  /// Ends the workers by that signal; what has not ended fails. At most a few seconds.
  void terminate(int signal, bool wait);
  /// Says whether it has ended. THROWS: ValueError while it is open.
  bool join(const os::Deadline& deadline);
  bool await_end(const os::Deadline& deadline) noexcept;
  /// What the end of the last handle does.
  void end() noexcept;
  /// Takes back all that no worker has begun: it ends with CancelledError.
  void cancel_waiting();

  [[nodiscard]] std::uint32_t workers() const noexcept { return plan_.workers; }
  [[nodiscard]] bool own() const noexcept;
  [[nodiscard]] Staff& staff() noexcept { return staff_; }

  // Of the thread that waits for what it submits.
  [[nodiscard]] bool take_attention() noexcept;
  void leave_attention() noexcept;

  bool collect(Satisfied satisfied, void* context, Timeout timeout) override;
  void count_waiter(int more) noexcept override;
  void call_back(std::shared_ptr<Job> job) override;
  void notify() noexcept override;
  bool take_back(Job& job) override;
  bool begun(Job& job) override;
  void abandon(Job& job) noexcept override;

 private:
  enum class State { kOpen, kClosed, kTerminated };

  [[nodiscard]] std::exception_ptr closed_error() const;
  void await_calls_at_exit();
  [[nodiscard]] bool collects_here() const noexcept;
  void collect_here(Satisfied satisfied, void* context, const os::Deadline& deadline);
  [[nodiscard]] bool staff_gone() const;
  void fail_what_came_late();
  void handle_events();
  void serve_results();
  void run_callbacks();
  bool should_collect() const noexcept;
  void call_result_thread() noexcept;
  void dismiss_if_done();
  [[nodiscard]] std::string name() const;

  const detail::PoolPlan plan_;
  const unsigned maker_;  // generation of the process
  const memory::Handle handle_;
  Board& board_;
  Desk desk_;
  Staff staff_;
  CodeBook codes_;
  std::atomic<std::uint64_t> calls_{0};

  std::atomic<State> state_{State::kOpen};
  std::atomic<bool> collecting_{false};  // a thread is at it
  std::atomic<int> waiters_{0};
  std::atomic<bool> events_{false};  // something for who collects: below, or news of a job
  sync::Gate result_gate_{};         // where the result thread waits
  os::Patience patience_;

  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::vector<Death> deaths_;  // guarded by mutex_, as all below
  std::exception_ptr broken_;
  bool staff_gone_ = false;
  bool failed_all_ = false;
  bool result_thread_ended_ = false;
  std::deque<std::shared_ptr<Job>> to_call_;
  std::optional<process::FinalizerId> finalizer_;
  os::ThreadStart keeper_start_{};
  os::ThreadStart result_start_{};
};

}  // namespace multiprocessing::pool
