// SPDX-License-Identifier: BSL-1.0
// The threads of a ThreadPool and what they take from one another.
#pragma once
#include <multiprocessing/detail/job.hpp>
#include <multiprocessing/detail/pool_stats.hpp>
#include <multiprocessing/detail/pool_task.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace multiprocessing::pool {
class ThreadCore;
}  // namespace multiprocessing::pool

namespace multiprocessing::detail {

/// Shared by the handles of a ThreadPool; its end is the end of the pool.
class ThreadPoolHandle {
 public:
  ThreadPoolHandle(std::uint32_t threads, std::function<void()> initializer);
  ThreadPoolHandle(const ThreadPoolHandle&) = delete;
  ThreadPoolHandle& operator=(const ThreadPoolHandle&) = delete;
  /// Drops what has not begun and waits for what has.
  ~ThreadPoolHandle();

  [[nodiscard]] std::shared_ptr<JobHost> host() const;
  [[nodiscard]] std::uint32_t workers() const noexcept;
  void require_open() const;
  void close() const;
  void terminate() const;
  void join() const;
  [[nodiscard]] std::vector<WorkerStats> stats() const;

 private:
  std::shared_ptr<pool::ThreadCore> core_;
};

/// Hands a chunk of `items` of the job from `first` on, which `run` runs, to a ThreadPool's host.
void submit_to_threads(JobHost& host, std::shared_ptr<Job> job, std::size_t first,
                       std::size_t items, std::function<void()> run);

/// As a ChunkWriter, but nothing is written: the items stay objects.
template <class F, class Item, Style style> class ThreadChunk {
 public:
  template <class AnyJob>
  ThreadChunk(const ThreadPoolHandle& pool, std::shared_ptr<AnyJob> job, F function,
              TaskLimits /*limits*/)
      : host_(pool.host()),
        job_(std::move(job)),
        function_(std::move(function)),
        end_(&end_chunk<AnyJob>) {
    pool.require_open();
  }

  template <class Given> void add(Given&& given) {
    items_.emplace_back(std::forward<Given>(given));
  }
  [[nodiscard]] std::uint32_t items() const noexcept {
    return static_cast<std::uint32_t>(items_.size());
  }
  [[nodiscard]] std::size_t submitted() const noexcept { return submitted_; }
  void flush() {
    if (items_.empty()) return;
    const std::size_t first = submitted_;
    const std::size_t count = items_.size();
    auto chunk = std::make_shared<std::pair<F, std::vector<Item>>>(function_, std::move(items_));
    items_.clear();
    submitted_ += count;
    submit_to_threads(*host_, job_, first, count,
                      [end = end_, job = job_, first, chunk = std::move(chunk)] {
                        end(*job, first, chunk->first, chunk->second);
                      });
  }

 private:
  using End = void (*)(Job& job, std::size_t first, F& function, std::vector<Item>& items);

  template <class AnyJob>
  static void end_chunk(Job& any_job, std::size_t first, F& function, std::vector<Item>& items) {
    using R = task_result_t<F, Item, style>;
    auto& job = static_cast<AnyJob&>(any_job);
    for (std::size_t i = 0; i < items.size(); ++i) {
      try {
        if constexpr (!std::is_void_v<R>) {
          job.put(first + i, static_cast<R>(call_task<style>(function, std::move(items[i]))));
        } else {
          call_task<style>(function, std::move(items[i]));
          if constexpr (requires { job.put(first + i, std::monostate{}); }) {
            job.put(first + i, std::monostate{});
          }
        }
      } catch (...) {
        job.fail(first + i, std::current_exception());
      }
    }
    job.note_ended(items.size());
  }

  const std::shared_ptr<JobHost> host_;
  const std::shared_ptr<Job> job_;
  F function_;
  const End end_;
  std::vector<Item> items_;
  std::size_t submitted_ = 0;
};

}  // namespace multiprocessing::detail
