// SPDX-License-Identifier: BSL-1.0
#include "queues/producer.hpp"

#include <algorithm>
#include <cstring>

#include "memory/arena.hpp"
#include "queues/prefetch.hpp"
#include "queues/segments.hpp"
#include "queues/side_guard.hpp"

namespace multiprocessing::queues {
namespace {

enum class Outcome { kDone, kFull, kNoSegment };

bool is_full(const QueueObject& queue, Place tail, Place head) noexcept {
  return queue.maxsize != 0 && tail.count - head.count >= queue.maxsize;
}

// A parcel stands in the intent while it is published and not yet in the row.
void write_frame(Side& own, std::byte* where, const Frame& frame, const Outgoing& message,
                 Place tail) noexcept {
  std::memcpy(where, &frame, sizeof frame);
  where += sizeof frame;
  if (message.parcel == nullptr) {
    if (!message.bytes.empty()) std::memcpy(where, message.bytes.data(), message.bytes.size());
    return;
  }
  const std::uint64_t name = memory::name_of(message.parcel);
  std::memcpy(where, &name, sizeof name);
  own.intent.at.store(tail, std::memory_order_release);
  own.intent.block.store(name, std::memory_order_release);
  memory::publish(message.parcel);
}

// REQUIRES: the producers' lock.
Outcome append(QueueObject& queue, const Outgoing& message, SpareSegment& spare) noexcept {
  Side& own = queue.producers;
  const Place tail = own.place.load();
  if (is_full(queue, tail, own.other.load())) {
    // acquire: pairs with the store of a consumer's place.
    own.other.store(queue.consumers.place.load(std::memory_order_acquire));
    if (is_full(queue, tail, own.other.load())) return Outcome::kFull;
  }
  const Frame frame{
      message.parcel != nullptr ? kParcelFrame : static_cast<std::uint32_t>(message.bytes.size()),
      message.type};
  const std::uint32_t units = frame.units();
  Segment* segment = segment_for_put(queue, tail, units);
  if (segment == nullptr) {
    if (!spare.has_room(units)) {
      spare.want(queue, units);
      return Outcome::kNoSegment;
    }
    segment = &spare.link(queue, tail);
  }
  write_frame(own, segment->at(tail.unit), frame, message, tail);
  // The lines of the messages to come are in the cache of whoever read them last.
  const std::uint32_t next = tail.unit + units;
  fetch_ahead(*segment, next, units, segment->units_from(next), prefetch_to_write);
  // release: pairs with the consumers' acquire; who sees this place also sees the frame.
  own.place.store({tail.unit + units, tail.count + 1}, std::memory_order_release);
  if (message.parcel != nullptr) own.intent.block.store(0, std::memory_order_release);
  return Outcome::kDone;
}

}  // namespace

bool put(QueueObject& queue, const Outgoing& message, const os::Deadline& deadline,
         os::Patience& patience) {
  const auto room = [&]() noexcept {
    const std::uint32_t head = queue.consumers.place.load(std::memory_order_seq_cst).count;
    const std::uint32_t tail = queue.producers.place.load(std::memory_order_seq_cst).count;
    return queue.maxsize - std::min(tail - head, queue.maxsize);
  };
  SpareSegment spare;
  for (;;) {
    SideGuard guard(queue, queue.producers, settle_producers, deadline);
    if (!guard.held()) return false;
    const Outcome outcome = append(queue, message, spare);
    guard.release();
    switch (outcome) {
      case Outcome::kDone:
        // The release of the lock was the full barrier that a notification needs.
        queue.producers.gate.notify_one();
        return true;
      case Outcome::kNoSegment:
        spare.obtain(queue);
        break;
      case Outcome::kFull:
        if (!queue.consumers.gate.wait(patience, room, deadline)) return false;
        break;
    }
  }
}

}  // namespace multiprocessing::queues
