// SPDX-License-Identifier: BSL-1.0
// The threads of a ThreadPool.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <multiprocessing/detail/thread_pool_core.hpp>
#include <mutex>
#include <thread>
#include <vector>

namespace multiprocessing::pool {

using detail::Job;

class ThreadCore final : public detail::JobHost, public std::enable_shared_from_this<ThreadCore> {
 public:
  ThreadCore(std::uint32_t threads, std::function<void()> initializer);
  ~ThreadCore();

  /// Starts the threads. Once, when it lies in a shared_ptr.
  void open();
  void require_own() const override;
  /// THROWS: as require_own(), and ValueError if it takes no tasks any more; what an initializer
  /// threw.
  void require_open() const;
  void submit(std::shared_ptr<Job> job, std::size_t items, detail::ChunkRunner run);
  void close();
  void terminate();
  void join();
  [[nodiscard]] bool own() const noexcept;
  [[nodiscard]] std::uint32_t workers() const noexcept { return count_; }
  [[nodiscard]] std::vector<WorkerStats> stats() const;

  bool collect(Satisfied satisfied, void* context, Timeout timeout) override;
  void count_waiter(int more) noexcept override;
  void call_back(std::shared_ptr<Job> job) override;
  void notify() noexcept override;
  bool take_back(Job& job) override;
  bool begun(Job& job) override;
  void abandon(Job& job) noexcept override;

 private:
  struct Task {
    std::shared_ptr<Job> job;
    std::size_t items = 0;
    detail::ChunkRunner run;
  };
  struct Count {
    std::uint64_t tasks = 0;
    std::int64_t busy_ns = 0;
  };

  void work(std::uint32_t number);
  bool initialize();
  void run_tasks(std::uint32_t number, Task& task);
  void go_on_elsewhere(std::uint32_t number, Task task) noexcept;
  void break_by(const std::exception_ptr& error);
  void require_open_locked() const;

  const std::uint32_t count_;
  const std::function<void()> initializer_;
  const unsigned maker_;
  const std::int64_t since_ns_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> waiting_;  // guarded by mutex_, as all below
  std::vector<Count> counts_;
  bool open_ = true;
  std::exception_ptr broken_;
  std::deque<std::shared_ptr<Job>> to_call_;
  bool calling_ = false;
  std::uint32_t started_ = 0;
  std::uint32_t ended_ = 0;
  std::vector<std::thread> threads_;
};

}  // namespace multiprocessing::pool
