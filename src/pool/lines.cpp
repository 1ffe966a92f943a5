// SPDX-License-Identifier: BSL-1.0
#include "pool/lines.hpp"

#include <algorithm>

namespace multiprocessing::pool {
namespace {

constexpr std::uint64_t entry_of(std::uint32_t number, std::uint32_t slot) {
  return std::uint64_t{number} << 32 | slot;
}
constexpr std::uint32_t number_in(std::uint64_t entry) {
  return static_cast<std::uint32_t>(entry >> 32);
}
constexpr std::uint32_t slot_in(std::uint64_t entry) { return static_cast<std::uint32_t>(entry); }

}  // namespace

void empty_ring(std::atomic<std::uint64_t>* ring, std::uint32_t entries) noexcept {
  for (std::uint32_t i = 0; i < entries; ++i) {
    ring[i].store(entry_of(i + 1 - entries, 0), std::memory_order_relaxed);
  }
}

bool room_for_task(Board& board) noexcept {
  const std::uint32_t tail = board.tasks.tail.load(std::memory_order_relaxed);
  std::uint32_t head = board.tasks.head.load(std::memory_order_acquire);
  while (tail - head >= board.slots) {
    // Every slot has at most one entry that is still good, so some here were cancelled.
    const std::uint64_t entry = board.task_ring()[head & (board.slots - 1)].load();
    if (board.slot(slot_in(entry)).state.load() == state_of(head, Stage::kReady)) return false;
    std::uint32_t seen = head;
    if (board.tasks.head.compare_exchange_strong(seen, head + 1)) seen = head + 1;
    head = seen;
  }
  return true;
}

void hand_out(Board& board, std::uint32_t slot) noexcept {
  const std::uint32_t issue = board.tasks.tail.load(std::memory_order_relaxed);
  // release: pairs with the claim, after which the worker reads the fields.
  board.slot(slot).state.store(state_of(issue, Stage::kReady), std::memory_order_release);
  board.task_ring()[issue & (board.slots - 1)].store(entry_of(issue, slot),
                                                     std::memory_order_release);
  // seq_cst: the barrier that a notification of the gate needs.
  board.tasks.tail.store(issue + 1, std::memory_order_seq_cst);
}

void wake_for_tasks(Board& board) noexcept {
  // Of more workers than that it is quicker to wake one in vain.
  constexpr std::uint32_t kMostAsked = 16;
  if (board.idle.sleepers() == 0) return;
  // Before it is asked who looks: one that has taken a task in between looks no more.
  const std::uint32_t waiting = board.tasks.tail.load() - board.tasks.head.load();
  std::uint32_t looking = 0;
  for (std::uint32_t i = 0; i < std::min(board.workers, kMostAsked); ++i) {
    looking += board.worker(i).looking.load(std::memory_order_seq_cst);
  }
  if (looking < waiting) board.idle.notify_one();
}

Claim claim_task(Board& board, Ticket ticket) noexcept {
  for (;;) {
    std::uint32_t head = board.tasks.head.load(std::memory_order_acquire);
    if (head == board.tasks.tail.load(std::memory_order_acquire)) return {};
    const std::uint64_t entry =
        board.task_ring()[head & (board.slots - 1)].load(std::memory_order_acquire);
    // Overwritten: others have gone on by a whole lap meanwhile.
    if (number_in(entry) != head) continue;
    TaskSlot& slot = board.slot(slot_in(entry));
    std::uint64_t ready = state_of(head, Stage::kReady);
    const bool claimed =
        slot.state.load(std::memory_order_relaxed) == ready &&
        slot.state.compare_exchange_strong(ready, state_of(head, Stage::kTaken, ticket));
    const std::uint32_t issue = head;
    board.tasks.head.compare_exchange_strong(head, head + 1);
    if (claimed) return {&slot, slot_in(entry), issue};
  }
}

void hand_in(Board& board, const Claim& claim, Ticket ticket) noexcept {
  claim.slot->state.store(state_of(claim.issue, Stage::kDone, ticket), std::memory_order_release);
  for (;;) {
    std::uint32_t tail = board.done.tail.load(std::memory_order_acquire);
    auto& place = board.done_ring()[tail & (board.slots - 1)];
    std::uint64_t entry = place.load(std::memory_order_acquire);
    const bool empty = number_in(entry) == tail + 1 - board.slots;
    const bool taken =
        empty && place.compare_exchange_strong(entry, entry_of(tail + 1, claim.number));
    // Filled, by this worker or by another one: whoever sees it moves the index on.
    if (taken || number_in(entry) == tail + 1) {
      board.done.tail.compare_exchange_strong(tail, tail + 1);
    }
    if (taken) return;
  }
}

}  // namespace multiprocessing::pool
