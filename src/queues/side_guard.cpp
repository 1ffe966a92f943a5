// SPDX-License-Identifier: BSL-1.0
#include "queues/side_guard.hpp"

#include "memory/arena.hpp"
#include "queues/ledger.hpp"
#include "queues/reclaim.hpp"
#include "queues/segments.hpp"
#include "sync/patience.hpp"

namespace multiprocessing::queues {

void SideGuard::acquire_slowly(QueueObject& queue, Settle settle, const os::Deadline& deadline) {
  const sync::Acquired acquired = side_.lock.acquire(sync::patience(deadline));
  held_ = acquired != sync::Acquired::kTimedOut;
  died_ = acquired == sync::Acquired::kAfterDeath;
  if (died_) settle(queue);
}

// Before the store of the place the block was in nobody's hands but the dead one's, unless it is a
// segment that hangs in the row already.
void settle_producers(QueueObject& queue) noexcept {
  Side& own = queue.producers;
  settle_link(queue);
  const std::uint64_t name = own.intent.block.load(std::memory_order_acquire);
  if (name == 0) return;
  const bool linked = own.segment.load() == memory::offset_of(memory::block_of(name));
  if (!linked && own.place.load() == own.intent.at.load()) reclaim(name);
  own.intent.block.store(0, std::memory_order_release);
}

// After the store of the place the message was the dead one's, and so was its parcel.
void settle_consumers(QueueObject& queue) noexcept {
  Side& own = queue.consumers;
  if (Ledger* ledger = queue.ledger()) ledger->settle(own.place.load());
  const std::uint64_t name = own.intent.block.load(std::memory_order_acquire);
  if (name == 0) return;
  if (own.place.load() != own.intent.at.load()) reclaim(name);
  own.intent.block.store(0, std::memory_order_release);
}

}  // namespace multiprocessing::queues
