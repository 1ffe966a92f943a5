// SPDX-License-Identifier: BSL-1.0
// The threads of a ThreadPool and what they take from one another.
#pragma once
#include <cxxabi.h>
#include <multiprocessing/detail/job.hpp>
#include <multiprocessing/detail/pool_stats.hpp>
#include <multiprocessing/detail/pool_task.hpp>

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <variant>
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

/// Runs what is left of a chunk; or fails it, if there is an error. Called again where a task ended
/// its thread.
using ChunkRunner = std::function<void(const std::exception_ptr& error)>;

/// Hands a chunk of `items` of the job to a ThreadPool's host.
void submit_to_threads(JobHost& host, std::shared_ptr<Job> job, std::size_t items, ChunkRunner run);

/// What the caller gets for the exception that is being handled in a task: of exit() a RemoteError,
/// as from a pool of processes.
[[nodiscard]] std::exception_ptr task_error();
/// And for pthread_exit.
[[nodiscard]] std::exception_ptr thread_end_error();

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
    auto chunk = std::make_shared<Chunk>(Chunk{function_, std::move(items_), 0});
    items_.clear();
    submitted_ += count;
    submit_to_threads(*host_, job_, count,
                      [end = end_, job = job_, first, chunk = std::move(chunk)](
                          const std::exception_ptr& error) { end(*job, first, *chunk, error); });
  }

 private:
  struct Chunk {
    F function;
    std::vector<Item> items;
    std::size_t next;
  };
  using End = void (*)(Job& job, std::size_t first, Chunk& chunk, const std::exception_ptr& error);

  // What pthread_exit unwinds with is no object: UBSan would mind the reference to it, and would
  // where this is inlined.
  template <class AnyJob>
  __attribute__((no_sanitize("null"), noinline)) static void end_chunk(
      Job& any_job, std::size_t first, Chunk& chunk, const std::exception_ptr& error) {
    auto& job = static_cast<AnyJob&>(any_job);
    while (chunk.next < chunk.items.size()) {
      const std::size_t i = chunk.next++;
      if (error != nullptr) {
        job.fail(first + i, error);
        continue;
      }
      try {
        end_item(job, first + i, chunk.function, std::move(chunk.items[i]));
      } catch (const abi::__forced_unwind&) {
        job.fail(first + i, thread_end_error());
        throw;
      } catch (...) {
        job.fail(first + i, task_error());
      }
    }
    job.note_ended(chunk.items.size());
  }

  template <class AnyJob>
  static void end_item(AnyJob& job, std::size_t number, F& function, Item&& item) {
    using R = task_result_t<F, Item, style>;
    if constexpr (!std::is_void_v<R>) {
      job.put(number, static_cast<R>(call_task<style>(function, std::move(item))));
    } else {
      call_task<style>(function, std::move(item));
      if constexpr (requires { job.put(number, std::monostate{}); }) {
        job.put(number, std::monostate{});
      }
    }
  }

  const std::shared_ptr<JobHost> host_;
  const std::shared_ptr<Job> job_;
  F function_;
  const End end_;
  std::vector<Item> items_;
  std::size_t submitted_ = 0;
};

}  // namespace multiprocessing::detail
