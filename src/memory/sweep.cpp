// SPDX-License-Identifier: BSL-1.0
#include "memory/sweep.hpp"

#include "memory/arena.hpp"
#include "memory/block_allocator.hpp"
#include "memory/object_life.hpp"
#include "memory/parcel.hpp"
#include "memory/segment.hpp"

namespace multiprocessing::memory {
namespace {

// One block in passing. A dead owner's block is taken by compare-exchange: several may sweep.
void sweep_block(void* context, void* block, OwnerWord& word) {
  std::uint64_t value = word.load(std::memory_order_acquire);
  const Serial owner = owner_in(value);
  const bool left_behind = owner > kShared && dead(owner);
  const bool unreferenced = owner == kShared && kind_in(value) == BlockKind::kObject &&
                            !seems_referenced(*static_cast<ObjectHeader*>(block));
  if (!left_behind && !unreferenced) return;
  const std::uint64_t mine = with_owner(value, self());
  if (!word.compare_exchange_strong(value, mine)) return;
  const bool plain = kind_in(mine) == BlockKind::kPlain;
  if (plain) blocks().deallocate_swept(block, mine);
  if (plain || dispose(block, word, owner)) ++*static_cast<std::size_t*>(context);
}

// Marks the serials whose leavings the coming sweep will find.
bool any_unswept(bool mark) noexcept {
  const Mapping& arena = mapping();
  const std::size_t high = arena.control().high_slot.load();
  bool found = false;
  for (std::size_t i = 0; i < high; ++i) {
    Slot& slot = arena.slot(i);
    const Serial serial = slot.serial.load(std::memory_order_acquire);
    if (serial == kNobody || slot.swept.load() == serial || !references_dead(serial)) continue;
    found = true;
    if (mark) slot.swept.store(serial);
  }
  return found;
}

}  // namespace

bool dispose(void* block, OwnerWord& word, Serial former) noexcept {
  switch (kind_in(word.load())) {
    case BlockKind::kPlain:
      blocks().deallocate(block);
      return true;
    case BlockKind::kParcel:
      free_parcel(static_cast<Parcel*>(block));
      return true;
    case BlockKind::kExtension:
      return dispose_extension(block, word, former);
    case BlockKind::kObject:
      return end_object(*static_cast<ObjectHeader*>(block), nullptr);
  }
  return false;
}

std::size_t sweep() {
  flush_deferred_drops();
  return sweep_blocks();
}

std::size_t sweep_blocks() noexcept {
  any_unswept(true);
  mapping().control().sweep_requested.store(0);
  std::size_t ended = 0;
  // Objects that only a swept object kept alive are found by the next round.
  for (std::size_t before = SIZE_MAX; before != ended;) {
    before = ended;
    ended += blocks().for_each(sweep_block, &ended);
  }
  return ended;
}

void note_death() noexcept {
  flush_deferred_drops();
  if (any_unswept(false) || mapping().control().sweep_requested.load() != 0) sweep();
}

}  // namespace multiprocessing::memory
