// SPDX-License-Identifier: BSL-1.0
// What a call of a pool asked for, and what has come of it so far. Lives in the process that asked.
//
// Threads: every function may be called from any thread. Results of one item come from one thread.
#pragma once
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/timeout.hpp>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace multiprocessing::detail {

class Job;

/// How the result of an item begins.
enum class Outcome : std::uint8_t { kValue, kError };

/// Reads what a worker wrote behind Outcome::kError.
[[nodiscard]] std::exception_ptr decode_task_error(Decoder& decoder);

/// The exception that is being handled. Never null: one that is not of C++ is a RuntimeError.
[[nodiscard]] std::exception_ptr current_error();

/// THROWS that; but where exit() in another thread ends this process, and so its pools, it waits
/// for that end.
[[noreturn]] void fail_unless_ending(const std::exception_ptr& error);

/// Who runs the items of jobs: a pool.
class JobHost {
 public:
  /// Says whether something that was waited for is there. Called often, by any thread.
  using Satisfied = bool (*)(void* context);

  /// THROWS: RuntimeError in a forked child, where nothing ends a job.
  virtual void require_own() const = 0;
  /// Collects results in this thread until `satisfied` or the time is over. False: another thread
  /// is at it, and it was not done.
  virtual bool collect(Satisfied satisfied, void* context, Timeout timeout) = 0;
  /// While this is above zero somebody waits for others to collect.
  virtual void count_waiter(int more) noexcept = 0;
  /// Has the job's callbacks called, and then its finish(), in the pool's one result thread.
  virtual void call_back(std::shared_ptr<Job> job) = 0;
  /// Something changed that the thread which collects may wait for.
  virtual void notify() noexcept = 0;
  /// Takes a job back that no worker has begun; says whether that worked. THROWS: RuntimeError in a
  /// forked child.
  virtual bool take_back(Job& job) = 0;
  /// Whether a worker has begun it. THROWS: the same.
  virtual bool begun(Job& job) = 0;
  /// Drops what of it no worker has begun.
  virtual void abandon(Job& job) noexcept = 0;

 protected:
  ~JobHost() = default;
};

class Job : public std::enable_shared_from_this<Job> {
 public:
  explicit Job(std::shared_ptr<JobHost> host) noexcept : host_(std::move(host)) {}
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;

  /// Reads the results of `count` items from `first` on.
  virtual void accept(std::size_t first, std::size_t count, Decoder& results) = 0;
  /// An item has no result.
  virtual void fail(std::size_t item, std::exception_ptr error);
  /// That many more items have results or errors.
  void note_ended(std::size_t items);
  /// No more than that many items will come.
  void expect(std::size_t items);

  /// THROWS: RuntimeError in a forked child that would wait for it in vain.
  void require_own_or_done() const;
  /// Waits for the end of all; says whether that came in time.
  bool wait(Timeout timeout);
  /// For its own callbacks it is, for all others only after them.
  [[nodiscard]] bool done() const noexcept {
    return done_.load(std::memory_order_acquire) || calls_back_here();
  }
  /// The first error in time; null if there is none so far.
  [[nodiscard]] std::exception_ptr error() const;
  /// THROWS: the first error, if there is one; see fail_unless_ending().
  void rethrow() const;
  [[nodiscard]] std::size_t items_ended() const;
  [[nodiscard]] std::size_t items_expected() const;

  [[nodiscard]] bool cancel();
  /// These items were taken back.
  void note_cancelled(std::size_t first, std::size_t items);
  [[nodiscard]] bool cancelled() const noexcept { return cancelled_.load(); }
  [[nodiscard]] bool running();

  /// Nobody will ask for the rest.
  void abandon() noexcept;
  [[nodiscard]] bool abandoned() const noexcept { return abandoned_.load(); }

  /// Calls `callback` when all has ended, in the result thread and before wait() returns; at once
  /// if it has. What it throws is logged.
  void when_done(std::function<void()> callback);
  /// Calls `listener` when all has ended, in whatever thread; at once if it has. It is quick, and
  /// throws nothing. Gives a number for forget().
  std::uint64_t listen(std::function<void()> listener);
  void forget(std::uint64_t listener);
  /// Calls `progress` with the items that have ended, now and then and at the end, in the result
  /// thread. Before the first item is handed out.
  void on_progress(std::function<void(std::size_t done)> progress);

  /// In the result thread: calls what is to be called. Then, if all has ended, it is done.
  void run_callbacks();

  /// Of the call; the host counts.
  std::uint64_t number = 0;
  /// Where the host has it; guarded by the host.
  std::uint64_t place = 0;
  /// Whether somebody else than the threads that wait for it has to collect its results.
  bool unattended = false;

 protected:
  /// Waits until `satisfied`, which is asked with the mutex held.
  bool wait_until(JobHost::Satisfied satisfied, void* context, Timeout timeout);
  /// Puts the results into their final form, once, when all items have ended; with mutex_ held.
  virtual void settle() {}
  [[nodiscard]] bool failed_locked() const noexcept { return error_ != nullptr; }
  /// Decodes as `accept` does, each value by `take(item, decoder)`.
  template <class Take>
  void accept_each(std::size_t first, std::size_t count, Decoder& results, const Take& take) {
    std::size_t item = first;
    try {
      for (; item != first + count; ++item) {
        if (results.take<Outcome>() == Outcome::kValue) [[likely]] {
          take(item, results);
        } else {
          fail(item, decode_task_error(results));
        }
      }
    } catch (...) {
      // Where the next one begins is not known.
      for (; item != first + count; ++item) fail(item, current_error());
    }
  }

  mutable std::mutex mutex_;

 private:
  [[nodiscard]] bool calls_back_here() const noexcept;
  void finish(std::unique_lock<std::mutex>& lock);
  void end_if_all(std::unique_lock<std::mutex>& lock);
  void settle_once();

  const std::shared_ptr<JobHost> host_;
  std::condition_variable changed_;
  std::size_t ended_ = 0;            // guarded by mutex_, as all below
  std::size_t expected_ = SIZE_MAX;  // not known yet
  std::exception_ptr error_;
  std::vector<std::function<void()>> callbacks_;
  std::vector<std::pair<std::uint64_t, std::function<void()>>> listeners_;
  std::uint64_t last_listener_ = 0;
  std::function<void(std::size_t)> progress_;
  bool calling_ = false;  // the result thread has been asked
  bool settled_ = false;
  std::atomic<bool> done_{false};
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> abandoned_{false};
};

}  // namespace multiprocessing::detail
