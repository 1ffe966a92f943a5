// SPDX-License-Identifier: BSL-1.0
// The parent's tasks: those that wait for a slot, those in slots, and what becomes of them.
//
// Threads: submit(), take_back() and abandon() from any; what collects, from one at a time.
#pragma once
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <multiprocessing/detail/job.hpp>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "memory/parcel.hpp"
#include "pool/layout.hpp"

namespace multiprocessing::pool {

using detail::Job;

/// A parcel of this process's, freed if it is not handed on.
class ParcelOwner {
 public:
  ParcelOwner() = default;
  explicit ParcelOwner(memory::Parcel* parcel) noexcept : parcel_(parcel) {}
  ParcelOwner(ParcelOwner&& other) noexcept : parcel_(other.release()) {}
  ParcelOwner& operator=(ParcelOwner&& other) noexcept {
    std::swap(parcel_, other.parcel_);
    return *this;
  }
  ~ParcelOwner() {
    if (parcel_ != nullptr) memory::free_parcel(parcel_);
  }
  [[nodiscard]] memory::Parcel* get() const noexcept { return parcel_; }
  memory::Parcel* release() noexcept { return std::exchange(parcel_, nullptr); }

 private:
  memory::Parcel* parcel_ = nullptr;
};

/// A chunk of a job's items.
struct Task {
  std::shared_ptr<Job> job;
  std::uint64_t number = 0;    ///< of the call
  std::size_t first_item = 0;  ///< the job's number of the chunk's first item
  std::uint32_t count = 0;
  std::uint32_t deaths = 0;  ///< of workers that took it and began nothing of it
  std::uint64_t code = 0;
  std::int64_t timeout_ns = 0;
  std::size_t argument_bytes = 0;
  std::vector<std::byte> bytes;  ///< the arguments, where there is no parcel
  ParcelOwner parcel;
  bool counted = false;  ///< as outstanding
};

/// A worker that ended.
struct Death {
  Ticket ticket = 0;
  pid_t pid = 0;
  int exitcode = 0;
};

class Desk {
 public:
  explicit Desk(Board& board);

  /// Hands a task out if there is room now, `bytes` being its arguments where they lie in no
  /// parcel; else leaves it as it was and says so.
  bool hand_out_now(Task& task, std::span<const std::byte> bytes);
  /// Has it wait for a slot.
  void put_off(Task task);

  /// Takes what results there are; says how many items they end. For the one thread that collects.
  bool collect();
  /// What a dead worker held: items that were done are results, the one under way is lost, the rest
  /// goes to another one. For the one thread that collects.
  void bury(const Death& death);
  /// All that has not ended fails, but for what is handed out meanwhile. REQUIRES: no worker is
  /// alive. For the one thread that collects.
  void fail_all(const std::exception_ptr& error);

  [[nodiscard]] bool take_back(Job& job);
  [[nodiscard]] bool begun(const Job& job);
  void abandon(const Job& job) noexcept;
  /// All that no worker has begun, as chunks of items that are nobody's any more.
  [[nodiscard]] std::vector<Task> take_all_back();

  [[nodiscard]] std::size_t outstanding() const noexcept { return outstanding_.load(); }
  /// Of jobs for which nobody waits by himself.
  [[nodiscard]] std::size_t unattended() const noexcept { return unattended_.load(); }
  [[nodiscard]] bool has_room() const noexcept { return has_room_.load(); }
  [[nodiscard]] bool results_wait() const noexcept;
  /// Wakes workers for what was handed out.
  void wake_workers() noexcept;

 private:
  static constexpr std::uint64_t kWaiting = UINT64_MAX;  // Job::place of what waits for a slot

  bool fill_slot(Task& task, std::span<const std::byte> bytes);
  void take_results(std::uint32_t number);
  std::size_t accept(TaskSlot& slot, Task& task, std::uint32_t end);
  void lose(std::uint32_t number, const Death& death);
  void go_on(std::uint32_t number, std::uint32_t next);
  void release(std::uint32_t number);
  Task empty(std::uint32_t number);
  bool withdraw(TaskSlot& slot) noexcept;
  void refill();
  void count(Task& task) noexcept;
  void note_less(const Task& task) noexcept;

  Board& board_;
  std::uint32_t taken_ = 0;  // results, by the thread that collects
  mutable std::mutex mutex_;
  std::vector<Task> in_slot_;             // guarded by mutex_, but for a slot that is taken or done
  std::vector<std::uint32_t> free_;       // guarded by mutex_
  std::vector<std::uint32_t> held_back_;  // filled slots for which the line had no room; by mutex_
  std::deque<Task> waiting_;              // guarded by mutex_
  std::atomic<std::size_t> outstanding_{0};
  std::atomic<std::size_t> unattended_{0};
  std::atomic<bool> has_room_{true};
};

}  // namespace multiprocessing::pool
