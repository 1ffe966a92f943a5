// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <bit>

#include "memory/parcel.hpp"
#include "memory/reference_word.hpp"
#include "pool/layout.hpp"
#include "pool/lines.hpp"
#include "queues/reclaim.hpp"

namespace multiprocessing::pool {
namespace {

constexpr std::uint32_t kSlotsAWorker = 64;
constexpr std::uint32_t kLeastSlots = 256;
constexpr std::uint32_t kMostSlots = 4096;

void free_named(std::atomic<std::uint64_t>& name) noexcept {
  if (const std::uint64_t block = name.load(std::memory_order_acquire); block != 0) {
    queues::reclaim(block);
    name.store(0, std::memory_order_release);
  }
}

void free_codes(Board& board) noexcept {
  // Also where the parent, or who freed them before, was killed between two steps.
  if (board.code_in_hand.load() != board.codes.load()) free_named(board.code_in_hand);
  while (const std::uint64_t name = board.codes.load()) {
    board.code_in_hand.store(name);
    // Out of the row before it is freed: who takes over from a dead process finds live ones.
    board.codes.store(memory::block_of<memory::Parcel>(name)->place[0]);
    free_named(board.code_in_hand);
  }
}

// Nobody refers to the board any more: the parent and all workers have ended or let go of it.
void finalize(memory::ObjectHeader& object) {
  auto& board = static_cast<Board&>(object);
  for (std::uint32_t i = 0; i < board.slots; ++i) free_blocks(board.slot(i));
  for (std::uint32_t i = 0; i < board.workers; ++i) free_named(board.worker(i).error);
  free_codes(board);
}

const bool finalizer_registered = (memory::register_finalizer(Board::kKind, finalize), true);

struct Plan {
  std::uint32_t workers;
  std::uint32_t slots;
  std::uint32_t maxtasksperchild;
};

void construct(void* where, void* context) {
  const Plan& plan = *static_cast<const Plan*>(context);
  auto& board = *static_cast<Board*>(where);
  board.workers = plan.workers;
  board.slots = plan.slots;
  board.maxtasksperchild = plan.maxtasksperchild;
  empty_ring(board.done_ring(), plan.slots);
}

}  // namespace

memory::Handle make_board(std::uint32_t workers, std::uint32_t maxtasksperchild) {
  // Once more, for a pool that a static initialiser of another file makes.
  if (!finalizer_registered) memory::register_finalizer(Board::kKind, finalize);
  const std::uint32_t wanted = std::min(workers, kMostSlots / kSlotsAWorker) * kSlotsAWorker;
  Plan plan{workers, std::max(std::bit_ceil(wanted), kLeastSlots), maxtasksperchild};
  return memory::create_object(Board::kKind, Board::bytes(plan.workers, plan.slots), construct,
                               &plan);
}

void free_results(TaskSlot& slot) noexcept {
  free_named(slot.results[0]);
  free_named(slot.results[1]);
}

void free_blocks(TaskSlot& slot) noexcept {
  free_named(slot.arguments);
  free_results(slot);
}

}  // namespace multiprocessing::pool
