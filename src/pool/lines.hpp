// SPDX-License-Identifier: BSL-1.0
// The rings of slot numbers: tasks on their way to the workers, results on their way back.
//
// task entry := issue:32 slot:32        issue is the position: the n-th task that was handed out
// done entry := position + 1:32 slot:32 an entry of the lap before counts as empty
//
// Death: who is killed between a claim and the step of the index leaves that step to the next.
#pragma once
#include <cstdint>

#include "pool/layout.hpp"

namespace multiprocessing::pool {

/// A slot that a worker has claimed.
struct Claim {
  TaskSlot* slot = nullptr;  ///< null: there was none
  std::uint32_t number = 0;
  std::uint32_t issue = 0;
};

/// Lets a done ring begin empty.
void empty_ring(std::atomic<std::uint64_t>* ring, std::uint32_t entries) noexcept;

/// Whether the parent can hand out one more; skips what was cancelled.
[[nodiscard]] bool room_for_task(Board& board) noexcept;

/// Hands a free slot out whose fields are written. REQUIRES: room, and one caller at a time.
void hand_out(Board& board, std::uint32_t slot) noexcept;

/// Wakes a worker, if more tasks wait than workers that are awake look for one.
void wake_for_tasks(Board& board) noexcept;

/// Whether there may be a task for who asks.
[[nodiscard]] inline bool task_waits(Board& board) noexcept {
  return board.tasks.head.load(std::memory_order_acquire) !=
         board.tasks.tail.load(std::memory_order_acquire);
}

/// Takes the next task for the worker of that ticket.
[[nodiscard]] Claim claim_task(Board& board, Ticket ticket) noexcept;

/// Says that the claimed task is done. Wakes nobody.
void hand_in(Board& board, const Claim& claim, Ticket ticket) noexcept;

/// Whether a result waits for the parent, who has taken `taken` of them.
[[nodiscard]] inline bool result_waits(Board& board, std::uint32_t taken) noexcept {
  const std::uint64_t entry =
      board.done_ring()[taken & (board.slots - 1)].load(std::memory_order_acquire);
  return static_cast<std::uint32_t>(entry >> 32) == taken + 1;
}
/// The slot of that result. REQUIRES: it waits.
[[nodiscard]] inline std::uint32_t slot_of_result(Board& board, std::uint32_t taken) noexcept {
  return static_cast<std::uint32_t>(
      board.done_ring()[taken & (board.slots - 1)].load(std::memory_order_relaxed));
}

}  // namespace multiprocessing::pool
