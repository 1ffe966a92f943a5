// SPDX-License-Identifier: BSL-1.0
#include "pool/desk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <multiprocessing/errors.hpp>
#include <utility>

#include "connection/parking.hpp"
#include "memory/reference_word.hpp"
#include "pool/ending.hpp"
#include "pool/lines.hpp"
#include "queues/consumer.hpp"

namespace multiprocessing::pool {
namespace {

constexpr std::uint32_t kMostDeaths = 2;  // of workers that took a task and began nothing of it

std::string name_of(const Task& task, std::uint32_t item) {
  return fmt::format("item {} of call {}", task.first_item + item, task.number);
}

struct Progress {
  std::uint32_t begun;  // the items that a worker has begun since then, and those before them
  bool expired;
};
// Since the slot was handed out.
Progress progress_in(const TaskSlot& slot) noexcept {
  const std::uint64_t progress = slot.progress.load(std::memory_order_acquire);
  const std::uint32_t issue = issue_in(slot.state.load(std::memory_order_acquire));
  const std::uint32_t begun = begun_in(progress, issue);
  if (begun == 0) return {slot.first, false};
  return {begun, (progress & kExpired) != 0};
}

std::exception_ptr timed_out(const Task& task, std::uint32_t item) {
  return std::make_exception_ptr(TimeoutError(
      fmt::format("{} of this pool ran longer than its timeout of {} s: its worker was stopped",
                  name_of(task, item), static_cast<double>(task.timeout_ns) * 1e-9)));
}

}  // namespace

Desk::Desk(Board& board) : board_(board), in_slot_(board.slots) {
  free_.reserve(board.slots);
  for (std::uint32_t i = board.slots; i > 0; --i) free_.push_back(i - 1);
}

void Desk::wake_workers() noexcept { wake_for_tasks(board_); }

bool Desk::results_wait() const noexcept { return result_waits(board_, taken_); }

bool Desk::hand_out_now(Task& task, std::span<const std::byte> bytes) {
  const std::lock_guard guard(mutex_);
  return waiting_.empty() && fill_slot(task, bytes);
}

void Desk::put_off(Task task) {
  const std::lock_guard guard(mutex_);
  count(task);
  task.job->place = kWaiting;
  waiting_.push_back(std::move(task));
  // Room may have come since the caller looked.
  refill();
}

// REQUIRES: mutex_.
bool Desk::fill_slot(Task& task, std::span<const std::byte> bytes) {
  if (free_.empty() || !held_back_.empty() || !room_for_task(board_)) {
    has_room_.store(false);
    return false;
  }
  const std::uint32_t number = free_.back();
  free_.pop_back();
  TaskSlot& slot = board_.slot(number);
  slot.code.store(task.code, std::memory_order_relaxed);
  slot.first = 0;
  slot.count.store(task.count, std::memory_order_relaxed);
  slot.timeout_ns.store(task.timeout_ns, std::memory_order_relaxed);
  slot.which.store(0, std::memory_order_relaxed);
  if (memory::Parcel* parcel = task.parcel.release(); parcel != nullptr) {
    slot.argument_bytes = task.argument_bytes;
    slot.arguments.store(memory::name_of(parcel), std::memory_order_release);
    memory::publish(parcel);
  } else {
    slot.argument_bytes = bytes.size();
    slot.arguments.store(0, std::memory_order_relaxed);
    if (!bytes.empty()) std::memcpy(slot.inline_arguments, bytes.data(), bytes.size());
  }
  task.job->place = number + 1;
  count(task);
  in_slot_[number] = std::move(task);
  hand_out(board_, number);
  return true;
}

bool Desk::collect() {
  bool any = false;
  while (result_waits(board_, taken_)) {
    const std::uint32_t number = slot_of_result(board_, taken_++);
    take_results(number);
    any = true;
  }
  return any;
}

void Desk::take_results(std::uint32_t number) {
  TaskSlot& slot = board_.slot(number);
  if (stage_in(slot.state.load(std::memory_order_acquire)) != Stage::kDone) return;
  Task& task = in_slot_[number];
  const std::size_t items = accept(slot, task, task.count);
  const std::shared_ptr<Job> job = task.job;
  release(number);
  job->note_ended(items);
}

// Reads the results of the items up to `end`; says how many there are.
std::size_t Desk::accept(TaskSlot& slot, Task& task, std::uint32_t end) {
  const std::uint32_t first = slot.first;
  const std::size_t items = end - first;
  if (items == 0 || task.job->abandoned()) return items;
  const NeededByEnd needed;
  const std::uint64_t name = slot.results[slot.which.load(std::memory_order_acquire)].load();
  const std::size_t bytes = slot.result_bytes.load(std::memory_order_relaxed);
  if (name == 0) {
    detail::Decoder results(std::span(slot.inline_results).first(bytes));
    task.job->accept(task.first_item + first, items, results);
    return items;
  }
  auto* parcel = memory::block_of<memory::Parcel>(name);
  try {
    const std::vector<memory::Handle> handles = queues::handles_of(*parcel);
    connection::Unparked unparked(handles);
    detail::Decoder results(parcel->payload().first(bytes), handles, unparked.descriptors());
    task.job->accept(task.first_item + first, items, results);
  } catch (const std::exception&) {
    // No room for the handles or descriptors of the results.
    for (std::size_t i = 0; i < items; ++i) {
      task.job->fail(task.first_item + first + i, std::current_exception());
    }
  }
  return items;
}

// Frees the slot and what it names, and gives it to the next task.
void Desk::release(std::uint32_t number) {
  TaskSlot& slot = board_.slot(number);
  free_blocks(slot);
  Task ended;  // dropped without the mutex
  const std::lock_guard guard(mutex_);
  slot.state.store(state_of(issue_in(slot.state.load()), Stage::kFree));
  ended = empty(number);
  refill();
}

// What lay in a slot that is free now. REQUIRES: mutex_.
Task Desk::empty(std::uint32_t number) {
  Task task = std::exchange(in_slot_[number], Task());
  note_less(task);
  free_.push_back(number);
  return task;
}

// Frees a slot that no worker has taken; says whether it did. REQUIRES: mutex_.
bool Desk::withdraw(TaskSlot& slot) noexcept {
  std::uint64_t state = slot.state.load();
  if (stage_in(state) != Stage::kReady) return false;
  if (!slot.state.compare_exchange_strong(state, state_of(issue_in(state), Stage::kFree))) {
    return false;
  }
  free_blocks(slot);
  return true;
}

void Desk::count(Task& task) noexcept {
  if (std::exchange(task.counted, true)) return;
  ++outstanding_;
  if (task.job->unattended) ++unattended_;
}

void Desk::note_less(const Task& task) noexcept {
  --outstanding_;
  if (task.job->unattended) --unattended_;
}

// REQUIRES: mutex_.
void Desk::refill() {
  while (!held_back_.empty() && room_for_task(board_)) {
    hand_out(board_, held_back_.back());
    held_back_.pop_back();
    wake_workers();
  }
  while (!waiting_.empty()) {
    Task& next = waiting_.front();
    if (next.job->abandoned()) {
      note_less(next);
    } else {
      const std::vector<std::byte> bytes = std::move(next.bytes);
      if (!fill_slot(next, bytes)) {
        next.bytes = bytes;
        return;
      }
      wake_workers();
    }
    waiting_.pop_front();
  }
  has_room_.store(!free_.empty());
}

void Desk::bury(const Death& death) {
  // All that it said is taken before anything that it held is given to another worker.
  collect();
  for (std::uint32_t i = 0; i < board_.slots; ++i) {
    const std::uint64_t state = board_.slot(i).state.load(std::memory_order_acquire);
    if (ticket_in(state) != death.ticket) continue;
    if (stage_in(state) == Stage::kDone) take_results(i);
    if (stage_in(state) == Stage::kTaken) lose(i, death);
  }
  // It may have been woken for a task that it never took.
  wake_workers();
}

void Desk::lose(std::uint32_t number, const Death& death) {
  TaskSlot& slot = board_.slot(number);
  Task& task = in_slot_[number];
  const Progress progress = progress_in(slot);
  const std::shared_ptr<Job> job = task.job;
  const auto lost = [&](std::uint32_t item) {
    job->fail(task.first_item + item, progress.expired
                                          ? timed_out(task, item)
                                          : std::make_exception_ptr(WorkerLost(
                                                death.pid, death.exitcode, name_of(task, item))));
  };
  std::uint32_t next = slot.first;
  std::size_t items = 0;
  if (progress.begun > slot.first) {
    items = accept(slot, task, progress.begun - 1);
    next = progress.begun;
    task.deaths = 0;
    if (progress.begun <= task.count) {
      lost(progress.begun - 1);
      ++items;
    } else {
      next = task.count;
    }
  } else if (++task.deaths >= kMostDeaths) {
    lost(next++);
    ++items;
    task.deaths = 0;
  }
  if (next < task.count && !job->abandoned()) {
    go_on(number, next);
  } else {
    items += task.count - next;
    release(number);
  }
  job->note_ended(items);
}

// The items from `next` on are for another worker.
void Desk::go_on(std::uint32_t number, std::uint32_t next) {
  TaskSlot& slot = board_.slot(number);
  free_results(slot);
  slot.which.store(0);
  slot.first = next;
  {
    const std::lock_guard guard(mutex_);
    slot.state.store(state_of(issue_in(slot.state.load()), Stage::kFree));
    if (room_for_task(board_)) {
      hand_out(board_, number);
    } else {
      held_back_.push_back(number);
    }
  }
  wake_workers();
}

void Desk::fail_all(const std::exception_ptr& error) {
  collect();
  const auto fail = [&error](const Task& task, std::uint32_t from) {
    for (std::uint32_t i = from; i < task.count; ++i) task.job->fail(task.first_item + i, error);
  };
  for (const Task& task : take_all_back()) {
    fail(task, 0);
    task.job->note_ended(task.count);
  }
  for (std::uint32_t i = 0; i < board_.slots; ++i) {
    TaskSlot& slot = board_.slot(i);
    // What others hand out or take back meanwhile is in neither stage, and theirs.
    const Stage stage = stage_in(slot.state.load(std::memory_order_acquire));
    if (stage != Stage::kTaken && stage != Stage::kDone) continue;
    Task& task = in_slot_[i];
    // What the last workers had done is done.
    const std::uint32_t begun = progress_in(slot).begun;
    const std::uint32_t end = stage == Stage::kDone ? task.count
                              : begun > slot.first  ? begun - 1
                                                    : slot.first;
    const std::shared_ptr<Job> job = task.job;
    const std::size_t items = task.count - slot.first;
    accept(slot, task, end);
    fail(task, end);
    release(i);
    job->note_ended(items);
  }
}

bool Desk::take_back(Job& job) {
  Task taken;  // dropped without the mutex
  const std::lock_guard guard(mutex_);
  if (job.place == kWaiting) {
    const auto found = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const Task& task) { return task.job.get() == &job; });
    if (found == waiting_.end()) return false;
    note_less(*found);
    taken = std::move(*found);
    waiting_.erase(found);
    return true;
  }
  if (job.place == 0) return false;
  const auto number = static_cast<std::uint32_t>(job.place - 1);
  if (in_slot_[number].job.get() != &job || !withdraw(board_.slot(number))) return false;
  taken = empty(number);
  refill();
  return true;
}

bool Desk::begun(const Job& job) {
  const std::lock_guard guard(mutex_);
  if (job.place == kWaiting || job.place == 0) return false;
  return stage_in(board_.slot(job.place - 1).state.load()) != Stage::kReady;
}

std::vector<Task> Desk::take_all_back() {
  std::vector<Task> taken;
  const std::lock_guard guard(mutex_);
  const auto take_slot = [&](std::uint32_t number) {
    const std::uint32_t first = board_.slot(number).first;
    Task task = empty(number);
    task.first_item += first;
    task.count -= first;
    taken.push_back(std::move(task));
  };
  for (const std::uint32_t number : held_back_) {
    free_blocks(board_.slot(number));
    take_slot(number);
  }
  held_back_.clear();
  for (std::uint32_t i = 0; i < board_.slots; ++i) {
    if (withdraw(board_.slot(i))) take_slot(i);
  }
  for (Task& task : waiting_) {
    note_less(task);
    taken.push_back(std::move(task));
  }
  waiting_.clear();
  refill();
  return taken;
}

void Desk::abandon(const Job& job) noexcept {
  std::deque<Task> dropped;  // without the mutex
  const std::lock_guard guard(mutex_);
  for (std::uint32_t i = 0; i < board_.slots; ++i) {
    if (in_slot_[i].job.get() == &job && withdraw(board_.slot(i))) dropped.push_back(empty(i));
  }
  refill();
}

}  // namespace multiprocessing::pool
