// SPDX-License-Identifier: BSL-1.0
// What a pool is in shared memory: its board.
//
// board := header counters task_line done_line worker[workers] ring ring slot[slots]
//
// The parent hands out a chunk of items in a slot. The slot's state word says where it stands and
// whose it is, and changes by one compare-exchange or store:
//
// state := issue:32 stage:8 ticket:24     kFree -> kReady         the parent, when all is written
//                                         kReady -> kTaken        a worker, by its ticket
//                                         kReady -> kFree         the parent, who cancels it
//                                         kTaken -> kDone         that worker
//                                         kTaken, kDone -> kFree  the parent, who has the results
//
// Which slot is next stands in the task line, which are done in the done line: rings of slot
// numbers of which an entry counts only if it bears the number of its position, so that whoever
// comes next can finish the step that a killed worker began.
//
// Death: of a worker at any instruction: the slots that bear its ticket are what it held; its
// progress says which items are done, whose results lie in memory that belongs to nobody but the
// slot, and which one was under way. Of the parent: its workers end; the last one's reference
// takes the board with it, and the blocks that it names.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/object.hpp"
#include "sync/gate.hpp"

namespace multiprocessing::pool {

using Ticket = std::uint32_t;  ///< names one worker process of a pool, never again another
inline constexpr Ticket kTicketMask = 0xff'ffff;

enum class Stage : std::uint8_t { kFree, kReady, kTaken, kDone };

constexpr std::uint64_t state_of(std::uint32_t issue, Stage stage, Ticket ticket = 0) {
  return std::uint64_t{issue} << 32 | static_cast<std::uint64_t>(stage) << 24 | ticket;
}
constexpr std::uint32_t issue_in(std::uint64_t state) {
  return static_cast<std::uint32_t>(state >> 32);
}
constexpr Stage stage_in(std::uint64_t state) { return static_cast<Stage>(state >> 24 & 0xff); }
constexpr Ticket ticket_in(std::uint64_t state) { return static_cast<Ticket>(state) & kTicketMask; }

/// progress := issue:31 begun:32 expired:1     begun - 1 is the item under way, if any was begun
///
/// It counts for the issue that it names. So nobody who looked at a slot for too long takes what
/// has become of it for what was there.
constexpr std::uint64_t progress_of(std::uint32_t issue, std::uint32_t begun) {
  return std::uint64_t{issue} << 33 | std::uint64_t{begun} << 1;
}
/// Of that issue; 0: none is begun.
constexpr std::uint32_t begun_in(std::uint64_t progress, std::uint32_t issue) {
  const bool counts = progress >> 33 == (issue & 0x7fff'ffff);
  return counts ? static_cast<std::uint32_t>(progress >> 1) : 0;
}
inline constexpr std::uint64_t kExpired = 1;  ///< the item under way ran too long: it has failed

struct TaskSlot {
  static constexpr std::size_t kInlineArguments = 192;
  static constexpr std::size_t kInlineResults = 192;

  // Written by the parent but for the state.
  std::atomic<std::uint64_t> state;
  std::atomic<std::uint64_t> code;       ///< name of the block that says what to call
  std::atomic<std::uint64_t> arguments;  ///< name of a parcel; 0: they lie here
  std::uint64_t argument_bytes;
  std::uint32_t first;                   ///< the items before it are skipped: they have ended
  std::atomic<std::uint32_t> count;      ///< of all items
  std::atomic<std::int64_t> timeout_ns;  ///< of each item; 0: none

  // Written by the worker.
  alignas(64) std::atomic<std::uint64_t> progress;
  std::atomic<std::int64_t> begun_ns;  ///< of the item under way; only where there is a timeout
  /// Names of parcels: the results lie in the one that `which` says; 0: they lie here. The other
  /// one is on its way in or out.
  std::atomic<std::uint64_t> results[2];
  std::atomic<std::uint32_t> which;
  std::atomic<std::uint64_t> result_bytes;  ///< of the items that are done, at least

  alignas(64) std::byte inline_arguments[kInlineArguments];
  std::byte inline_results[kInlineResults];
};
static_assert(sizeof(TaskSlot) == 512);

/// What a worker says of itself. Begun anew by the parent for each process at that place.
struct alignas(64) WorkerPlace {
  std::atomic<std::uint32_t> ready;    ///< its initializer has returned
  std::atomic<std::uint64_t> error;    ///< name of a parcel: what its initializer threw
  std::atomic<std::uint32_t> at;       ///< slot under way, counted from 1; 0: idle
  std::atomic<std::uint32_t> looking;  ///< it is awake, and takes what comes
  std::atomic<std::uint64_t> tasks;    ///< items done
  std::atomic<std::int64_t> busy_ns;
  std::atomic<std::int64_t> since_ns;  ///< when it was ready
};
static_assert(sizeof(WorkerPlace) == 64);

/// A ring's positions; the entries lie behind the workers.
struct Line {
  alignas(64) std::atomic<std::uint32_t> head;
  alignas(64) std::atomic<std::uint32_t> tail;
};

struct Board : memory::ObjectHeader {
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kPool;

  std::uint32_t workers;
  std::uint32_t slots;               ///< a power of two
  std::uint32_t maxtasksperchild;    ///< 0: no limit
  std::atomic<std::uint32_t> stop;   ///< workers leave when they find nothing to do
  std::atomic<std::uint64_t> codes;  ///< name of the newest code block, each names the one before
  /// Name of the code block that was last put in the row, or is on its way in or out.
  std::atomic<std::uint64_t> code_in_hand;
  alignas(64) sync::Gate idle;     ///< where workers wait for tasks
  alignas(64) sync::Gate results;  ///< where the parent waits for results
  Line tasks;
  Line done;

  [[nodiscard]] WorkerPlace& worker(std::size_t i) noexcept {
    return reinterpret_cast<WorkerPlace*>(this + 1)[i];
  }
  [[nodiscard]] std::atomic<std::uint64_t>* task_ring() noexcept {
    return reinterpret_cast<std::atomic<std::uint64_t>*>(&worker(workers));
  }
  [[nodiscard]] std::atomic<std::uint64_t>* done_ring() noexcept { return task_ring() + slots; }
  [[nodiscard]] TaskSlot& slot(std::size_t i) noexcept {
    return reinterpret_cast<TaskSlot*>(done_ring() + slots)[i];
  }
  [[nodiscard]] static constexpr std::size_t bytes(std::size_t workers, std::size_t slots) {
    return sizeof(Board) + workers * sizeof(WorkerPlace) + slots * (16 + sizeof(TaskSlot));
  }
};
static_assert(sizeof(Board) % 64 == 0);

/// Makes a board, with every slot free.
[[nodiscard]] memory::Handle make_board(std::uint32_t workers, std::uint32_t maxtasksperchild);

/// Frees the results that a slot names, of which nobody writes any more.
void free_results(TaskSlot& slot) noexcept;
/// Frees all that a slot that the parent took back still names.
void free_blocks(TaskSlot& slot) noexcept;

}  // namespace multiprocessing::pool
