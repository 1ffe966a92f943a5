// SPDX-License-Identifier: BSL-1.0
#include "queues/reclaim.hpp"

#include "memory/reference_word.hpp"
#include "memory/sweep.hpp"

namespace multiprocessing::queues {

void reclaim(std::uint64_t block_name) noexcept {
  if (!memory::names_live_block(block_name)) return;
  void* const block = memory::block_of(block_name);
  memory::OwnerWord& word = memory::blocks().owner_word(block);
  std::uint64_t value = word.load();
  // A block that was freed meanwhile has no owner, one used anew has another name: neither is
  // shared under this one.
  if (memory::owner_in(value) != memory::kShared || memory::name_of(block) != block_name) return;
  if (!word.compare_exchange_strong(value, memory::with_owner(value, memory::self()))) return;
  memory::dispose(block, word, memory::kShared);
}

}  // namespace multiprocessing::queues
