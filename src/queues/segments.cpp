// SPDX-License-Identifier: BSL-1.0
#include "queues/segments.hpp"

#include <algorithm>
#include <bit>
#include <multiprocessing/errors.hpp>
#include <utility>

#include "memory/arena.hpp"
#include "queues/reclaim.hpp"

namespace multiprocessing::queues {
namespace {

constexpr std::size_t kFirstBytes = std::size_t{4} * 1024;
constexpr std::size_t kUsualBytes = std::size_t{64} * 1024;
// Of a stream of messages two segments are in use by turns. Where a line is used again before some
// 192 KiB of others were, either side is several times slower on the processors it was measured on.
constexpr std::size_t kStreamBytes = std::size_t{256} * 1024;
// A long queue lies in blocks that go back to the system when it is drained.
constexpr std::size_t kLongQueueBytes = std::size_t{512} * 1024;
constexpr std::size_t kLongQueueSegment = std::size_t{1} << 20;

std::size_t bytes_of(const Segment& segment) noexcept {
  return sizeof(Segment) + segment.units * kUnit;
}

// Where the offset of the row's next segment will stand. REQUIRES: the producers' lock.
std::atomic<Offset>& last_link(QueueObject& queue) noexcept {
  const Offset last = queue.producers.segment.load(std::memory_order_relaxed);
  return last == 0 ? queue.chain.first : memory::at_as<Segment>(last)->next;
}

// Takes the first segment out of the row. REQUIRES: the chain's lock, and that nobody reads or
// writes that segment any more.
Segment* take_first(QueueObject& queue) noexcept {
  auto& chain = queue.chain;
  auto* const segment = memory::at_as<Segment>(chain.first.load(std::memory_order_relaxed));
  chain.intent.store(memory::name_of(segment), std::memory_order_release);
  chain.first.store(segment->next.load(std::memory_order_relaxed), std::memory_order_release);
  const bool taken = memory::claim(segment);
  chain.intent.store(0, std::memory_order_release);
  return taken ? segment : nullptr;
}

// A drained segment, or null: there is none (only one, if `keep_one`), or somebody else is at it.
Segment* take_drained(QueueObject& queue, bool keep_one) noexcept {
  auto& chain = queue.chain;
  const sync::Acquired acquired = chain.lock.acquire(os::Deadline::after(std::chrono::seconds(0)));
  if (acquired == sync::Acquired::kTimedOut) return nullptr;
  if (acquired == sync::Acquired::kAfterDeath) settle_chain(queue);
  Segment* taken = nullptr;
  const Offset first = chain.first.load(std::memory_order_acquire);
  const Offset consumers = queue.consumers.segment.load(std::memory_order_acquire);
  const Offset producers = queue.producers.segment.load(std::memory_order_acquire);
  // The producers may still have to step from a segment that consumers have left already.
  if (first != 0 && consumers != 0 && first != consumers && first != producers) {
    const auto& segment = *memory::at_as<Segment>(first);
    const bool spare = segment.next.load(std::memory_order_acquire) == consumers &&
                       bytes_of(segment) <= kStreamBytes;
    if (!keep_one || !spare) taken = take_first(queue);
  }
  chain.lock.release();
  return taken;
}

}  // namespace

void SpareSegment::want(const QueueObject& queue, std::uint32_t units) noexcept {
  const Offset last = queue.producers.segment.load(std::memory_order_relaxed);
  const std::size_t before = last == 0 ? 0 : bytes_of(*memory::at_as<Segment>(last));
  const std::size_t queued =
      std::size_t{queue.producers.place.load().unit - queue.consumers.place.load().unit} * kUnit;
  const std::size_t most = queued >= before / 4 ? kStreamBytes : kUsualBytes;
  wanted_ =
      queued >= kLongQueueBytes ? kLongQueueSegment : std::clamp(2 * before, kFirstBytes, most);
  least_ = std::bit_ceil(sizeof(Segment) + units * kUnit);
  wanted_ = std::max(wanted_, least_);
}

void SpareSegment::obtain(QueueObject& queue) {
  free();
  segment_ = take_drained(queue, false);
  if (segment_ != nullptr) {
    const std::size_t bytes = bytes_of(*segment_);
    if (bytes >= wanted_ && (bytes <= kStreamBytes || wanted_ > kStreamBytes)) return;
    free();
  }
  try {
    allocate(wanted_);
  } catch (const MemoryError&) {
    // What is left of the last mebibytes may still do.
    allocate(least_);
  }
}

void SpareSegment::allocate(std::size_t bytes) {
  segment_ = static_cast<Segment*>(memory::allocate(bytes));
  segment_->units = static_cast<std::uint32_t>((bytes - sizeof(Segment)) / kUnit);
}

Segment& SpareSegment::link(QueueObject& queue, Place tail) noexcept {
  Segment& segment = *std::exchange(segment_, nullptr);
  segment.next.store(0, std::memory_order_relaxed);
  segment.begin = tail.unit;
  Side& own = queue.producers;
  own.intent.at.store(tail, std::memory_order_release);
  own.intent.block.store(memory::name_of(&segment), std::memory_order_release);
  memory::publish(&segment);
  const Offset offset = memory::offset_of(&segment);
  last_link(queue).store(offset, std::memory_order_release);
  own.segment.store(offset, std::memory_order_release);
  own.intent.block.store(0, std::memory_order_release);
  return segment;
}

void SpareSegment::free() noexcept {
  if (segment_ != nullptr) memory::deallocate(std::exchange(segment_, nullptr));
}

Segment& first_segment_for_get(QueueObject& queue) noexcept {
  // Nothing is taken out of the row before the consumers have a segment.
  const Offset first = queue.chain.first.load(std::memory_order_acquire);
  queue.consumers.segment.store(first, std::memory_order_release);
  return *memory::at_as<Segment>(first);
}

Segment& next_segment_for_get(QueueObject& queue, Segment& segment, Place head) noexcept {
  auto* at = &segment;
  while (const Offset next = at->next.load(std::memory_order_acquire)) {
    auto* const following = memory::at_as<Segment>(next);
    if (following->begin != head.unit) break;
    queue.consumers.segment.store(next, std::memory_order_release);
    at = following;
  }
  return *at;
}

void trim(QueueObject& queue) noexcept {
  while (Segment* drained = take_drained(queue, true)) memory::deallocate(drained);
}

void settle_link(QueueObject& queue) noexcept {
  Side& own = queue.producers;
  const Offset linked = last_link(queue).load(std::memory_order_acquire);
  if (linked != 0) own.segment.store(linked, std::memory_order_release);
}

void settle_chain(QueueObject& queue) noexcept {
  auto& chain = queue.chain;
  const std::uint64_t name = chain.intent.load(std::memory_order_acquire);
  if (name == 0) return;
  const Offset block = memory::offset_of(memory::block_of(name));
  if (chain.first.load(std::memory_order_acquire) != block) reclaim(name);
  chain.intent.store(0, std::memory_order_release);
}

void free_row(QueueObject& queue) noexcept {
  settle_chain(queue);
  // Should this process die below, nobody shall look for the row's end in freed memory.
  queue.producers.segment.store(0, std::memory_order_release);
  while (queue.chain.first.load(std::memory_order_acquire) != 0) {
    if (Segment* segment = take_first(queue)) memory::deallocate(segment);
  }
}

}  // namespace multiprocessing::queues
