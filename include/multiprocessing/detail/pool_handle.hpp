// SPDX-License-Identifier: BSL-1.0
// Where the templates of pools and executors stop.
#pragma once
#include <multiprocessing/detail/job.hpp>
#include <multiprocessing/detail/pool_stats.hpp>
#include <multiprocessing/detail/target.hpp>
#include <multiprocessing/timeout.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace multiprocessing::process {
class Launcher;
}  // namespace multiprocessing::process

namespace multiprocessing::pool {
class Core;
}  // namespace multiprocessing::pool

namespace multiprocessing::detail {

class TaskHost;

/// How a pool is made.
struct PoolPlan {
  std::uint32_t workers = 0;
  std::uint32_t maxtasksperchild = 0;  ///< 0: no limit
  std::int64_t task_timeout_ns = 0;    ///< 0: none
  bool executor = false;               ///< its workers are no daemons, and it has other errors
  std::shared_ptr<Target> initializer;
  process::Launcher* launcher = nullptr;
};

/// THROWS: ValueError for a number below 1.
[[nodiscard]] std::uint32_t checked_workers(std::optional<std::int64_t> processes);
[[nodiscard]] std::uint32_t checked_maxtasks(std::optional<std::int64_t> maxtasksperchild);
[[nodiscard]] std::int64_t checked_chunksize(std::int64_t chunksize);
[[nodiscard]] std::int64_t task_timeout_ns(Timeout timeout);

/// Shared by the handles of one process; its end is the end of the pool.
class PoolHandle {
 public:
  explicit PoolHandle(const PoolPlan& plan);
  PoolHandle(const PoolHandle&) = delete;
  PoolHandle& operator=(const PoolHandle&) = delete;
  /// Of a pool terminates, of an executor waits. In a forked child it does nothing.
  ~PoolHandle();

  [[nodiscard]] pool::Core& core() const noexcept { return *core_; }
  [[nodiscard]] std::shared_ptr<JobHost> host() const;
  [[nodiscard]] TaskHost& tasks() const noexcept;
  [[nodiscard]] std::uint32_t workers() const noexcept;

  void require_open() const;
  void close() const;
  void terminate(int signal, bool wait) const;
  void join() const;
  void shutdown(bool wait, bool cancel) const;
  [[nodiscard]] std::vector<WorkerStats> stats() const;

  /// While one lives, this thread collects the results of what it submits, if no other one does.
  class Attention {
   public:
    explicit Attention(const PoolHandle& pool);
    Attention(const Attention&) = delete;
    Attention& operator=(const Attention&) = delete;
    ~Attention();

   private:
    pool::Core& core_;
    bool mine_;
  };

 private:
  std::shared_ptr<pool::Core> core_;
};

}  // namespace multiprocessing::detail
