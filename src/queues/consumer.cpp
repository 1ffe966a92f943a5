// SPDX-License-Identifier: BSL-1.0
#include "queues/consumer.hpp"

#include <algorithm>
#include <cstring>

#include "connection/parking.hpp"
#include "memory/arena.hpp"
#include "queues/ledger.hpp"
#include "queues/prefetch.hpp"
#include "queues/segments.hpp"
#include "queues/side_guard.hpp"

namespace multiprocessing::queues {
namespace {

constexpr std::size_t kLongMessage = 4 * kLine;

// The oldest message, still in the queue.
struct First {
  Place head;
  Frame frame;
  const std::byte* payload;

  [[nodiscard]] std::uint64_t parcel_name() const noexcept {
    if (!frame.is_parcel()) return 0;
    std::uint64_t name = 0;
    std::memcpy(&name, payload, sizeof name);
    return name;
  }
};

// No further than messages are known to be: to fetch a line that a producer is about to write would
// hold that one up.
void fetch_messages(Segment& segment, std::uint32_t next, std::uint32_t units,
                    std::uint32_t end) noexcept {
  const std::uint32_t known = std::min(end - next, segment.units_from(next));
  // To hand over the line of a long message costs less than to share it, as the producer that will
  // write it again has to call back what is shared. Short ones lie in lines with others.
  if (units * kUnit >= kLongMessage) {
    fetch_ahead(segment, next, units, known, prefetch_to_write);
  } else {
    fetch_ahead(segment, next, units, known, prefetch_to_read);
  }
}

// REQUIRES: the consumers' lock, as all below.
bool find_first(QueueObject& queue, First& first) noexcept {
  Side& own = queue.consumers;
  first.head = own.place.load();
  if (own.other.load().count == first.head.count) {
    // acquire: pairs with the store of a producer's place.
    const Place tail = queue.producers.place.load(std::memory_order_acquire);
    own.other.store(tail);
    if (tail.count == first.head.count) return false;
  }
  Segment& segment = segment_for_get(queue, first.head);
  const std::byte* at = segment.at(first.head.unit);
  std::memcpy(&first.frame, at, sizeof first.frame);
  first.payload = at + sizeof first.frame;
  const std::uint32_t units = first.frame.units();
  fetch_messages(segment, first.head.unit + units, units, own.other.load().unit);
  return true;
}

// Takes the message off the queue. A parcel's name stands in the intent while it is in nobody's
// hands, the ledger notes the taker beforehand.
memory::Parcel* take(QueueObject& queue, const First& first) noexcept {
  Side& own = queue.consumers;
  const std::uint64_t name = first.parcel_name();
  if (name != 0) {
    own.intent.at.store(first.head, std::memory_order_release);
    own.intent.block.store(name, std::memory_order_release);
  }
  Ledger* const ledger = queue.ledger();
  if (ledger != nullptr) ledger->will_take(queue, first.head);
  // release: pairs with the producers' acquire; the frame has been read.
  own.place.store({first.head.unit + first.frame.units(), first.head.count + 1},
                  std::memory_order_release);
  if (ledger != nullptr) ledger->took();
  if (name == 0) return nullptr;
  auto* const parcel = memory::block_of<memory::Parcel>(name);
  memory::claim(parcel);
  own.intent.block.store(0, std::memory_order_release);
  return parcel;
}

void inspect(const First& first, Inspector& inspector) {
  if (!first.frame.is_parcel()) {
    inspector.inspect(first.frame.type, {first.payload, first.frame.length}, {});
    return;
  }
  auto& parcel = *memory::block_of<memory::Parcel>(first.parcel_name());
  inspector.inspect(first.frame.type, parcel.payload(), handles_of(parcel));
}

// A process may have no room for the descriptors of a message: it has to stay then.
// REQUIRES: that it is a parcel.
bool carries_descriptors(const First& first) noexcept {
  const auto handles = memory::block_of<memory::Parcel>(first.parcel_name())->handles();
  return !handles.empty() &&
         connection::stands_for_descriptors(*memory::at_as<memory::ObjectHeader>(handles.back()));
}

Got take_as(QueueObject& queue, std::uint32_t wanted, Inspector& inspector, Taken& taken) {
  First first;
  if (!find_first(queue, first)) return Got::kNothing;
  const bool parcel = first.frame.is_parcel();
  const bool as_it_is =
      first.frame.type == wanted &&
      (parcel ? !carries_descriptors(first) : taken.copy(first.payload, first.frame.length));
  if (!as_it_is) {
    inspect(first, inspector);
    taken.parcel = take(queue, first);
    return Got::kInspected;
  }
  // Where there is no room for a reference the message stays.
  if (parcel) {
    taken.handles = handles_of(*memory::block_of<memory::Parcel>(first.parcel_name()));
  }
  taken.parcel = take(queue, first);
  return Got::kMessage;
}

// How many of the rounds in which os::Patience counts a producer takes to make another such
// message.
std::uint32_t rounds_to_copy(const Taken& taken) noexcept {
  constexpr std::size_t kBytesOfRound = 1024;
  if (taken.parcel == nullptr) return 1;
  return static_cast<std::uint32_t>(
      std::min<std::size_t>(taken.parcel->payload_bytes / kBytesOfRound, UINT32_MAX));
}

}  // namespace

std::vector<detail::Handle> handles_of(memory::Parcel& parcel) {
  std::vector<detail::Handle> handles;
  handles.reserve(parcel.handles().size());
  for (const std::uint64_t offset : parcel.handles()) handles.push_back(memory::adopt(offset));
  return handles;
}

Got get(QueueObject& queue, std::uint32_t wanted, Inspector& inspector, Taken& taken,
        const os::Deadline& deadline, os::Patience& patience) {
  const auto messages = [&]() noexcept {
    const std::uint32_t head = queue.consumers.place.load(std::memory_order_seq_cst).count;
    return queue.producers.place.load(std::memory_order_seq_cst).count - head;
  };
  for (;;) {
    SideGuard guard(queue, queue.consumers, settle_consumers, deadline);
    if (!guard.held()) return Got::kNothing;
    const Offset before = queue.consumers.segment.load(std::memory_order_relaxed);
    const Got got = take_as(queue, wanted, inspector, taken);
    const bool moved_on = queue.consumers.segment.load(std::memory_order_relaxed) != before;
    guard.release();
    if (moved_on) trim(queue);
    if (got != Got::kNothing) {
      patience.each_takes(rounds_to_copy(taken));
      // The release of the lock was the full barrier that a notification needs.
      if (queue.maxsize != 0) queue.consumers.gate.notify_one();
      return got;
    }
    if (!queue.producers.gate.wait(patience, messages, deadline)) return Got::kNothing;
  }
}

void drain(QueueObject& queue) noexcept {
  First first;
  while (find_first(queue, first)) {
    if (memory::Parcel* parcel = take(queue, first)) memory::free_parcel(parcel);
  }
}

}  // namespace multiprocessing::queues
