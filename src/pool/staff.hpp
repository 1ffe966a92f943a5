// SPDX-License-Identifier: BSL-1.0
// The workers of a pool as processes: started, watched, stopped, replaced.
//
// One thread does all of it after the first start. It learns of an end by the worker's pidfd, which
// no grandchild keeps open.
#pragma once
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <multiprocessing/detail/pool_stats.hpp>
#include <multiprocessing/process.hpp>
#include <mutex>
#include <optional>
#include <vector>

#include "os/fd.hpp"
#include "pool/desk.hpp"
#include "pool/worker.hpp"
#include "process/launcher.hpp"

namespace multiprocessing::pool {

struct StaffPlan {
  std::uint32_t workers = 0;
  bool daemons = true;
  process::Launcher* launcher = nullptr;  ///< null: of the default start method
  std::shared_ptr<detail::Target> initializer;
};

class Staff {
 public:
  /// What it tells its pool; called by its thread, with no mutex of its own held.
  struct Listener {
    std::function<void(const Death&)> died;
    /// The workers cannot be started, or an initializer threw: the pool is of no use any more.
    std::function<void(std::exception_ptr)> broken;
    std::function<void()> all_gone;  ///< the last call
  };

  /// Starts the workers. THROWS: what Process::start does; then none is left.
  Staff(memory::Handle board, StaffPlan plan);
  ~Staff();
  Staff(const Staff&) = delete;
  Staff& operator=(const Staff&) = delete;

  /// Ends them where there will be no thread that keeps them.
  void kill_all() noexcept;
  /// Keeps them; returns when it was dismissed and all have ended, or when it cannot keep them.
  void keep(const Listener& listener);

  /// Nobody is replaced from here on: they leave when they have nothing to do.
  void dismiss();
  /// They are told to end, and killed where they don't within a second.
  void stop(int signal);
  /// There are tasks with that timeout from here on.
  void watch_timeout(std::int64_t timeout_ns) noexcept;

  [[nodiscard]] std::vector<WorkerStats> stats() const;

 private:
  struct Worker {
    std::optional<Process> process;  // none between two
    std::string name;
    pid_t pid = 0;
    Ticket ticket = 0;
    unsigned starts = 0;
    unsigned failed_starts = 0;  // in a row
    std::int64_t start_at = 0;   // when there is no process: when to start one
    std::int64_t kill_at = 0;    // it was told to end: when to kill it; 0: it was not
  };

  void start(std::uint32_t place);
  void start_due(const Listener& listener);
  void look_after(const Listener& listener);
  bool look_at_ends(const Listener& listener);
  void note_end(std::uint32_t i, int exitcode, const Listener& listener);
  [[nodiscard]] bool any_ready() noexcept;
  void note_failed_start(std::uint32_t place, const std::string& why, unsigned most,
                         const Listener& listener);
  void enforce();
  std::int64_t check_timeout(Worker& worker, WorkerPlace& place);
  void sleep();
  void wake() noexcept;

  const memory::Handle handle_;
  Board& board_;
  const StaffPlan plan_;
  sigset_t signals_{};
  os::Fd alarm_;  // an eventfd that ends the thread's sleep
  mutable std::mutex mutex_;
  std::vector<Worker> workers_;  // guarded by mutex_
  Ticket last_ticket_ = 0;
  std::int64_t next_look_ = 0;  // of what enforce() found: when something is due
  std::atomic<std::int64_t> least_timeout_{INT64_MAX};
  std::atomic<bool> dismissed_{false};
  std::atomic<int> stop_signal_{0};
};

}  // namespace multiprocessing::pool
