// SPDX-License-Identifier: BSL-1.0
// The row of segments in which a queue's frames lie: made longer by producers, shortened behind
// the consumers. One drained segment is kept, so that a queue in use allocates nothing.
#pragma once
#include <cstddef>
#include <cstdint>

#include "memory/arena.hpp"
#include "queues/layout.hpp"

namespace multiprocessing::queues {

/// A segment of this process's own that is in no row. Freed at destruction.
class SpareSegment {
 public:
  SpareSegment() = default;
  SpareSegment(const SpareSegment&) = delete;
  SpareSegment& operator=(const SpareSegment&) = delete;
  ~SpareSegment() { free(); }

  /// Notes how much room is wanted. REQUIRES: the producers' lock.
  void want(const QueueObject& queue, std::uint32_t units) noexcept;
  /// Takes a drained segment or allocates one. Holds no lock. THROWS: MemoryError.
  void obtain(QueueObject& queue);
  [[nodiscard]] bool has_room(std::uint32_t units) const noexcept {
    return segment_ != nullptr && segment_->units >= units;
  }

  /// Appends it to the row; frames from `tail` on lie in it. REQUIRES: the producers' lock.
  Segment& link(QueueObject& queue, Place tail) noexcept;

 private:
  void allocate(std::size_t bytes);
  void free() noexcept;

  Segment* segment_ = nullptr;
  std::size_t wanted_ = 0;  // bytes with the segment's head, as below
  std::size_t least_ = 0;
};

/// The segment with room for a frame at `tail`, or null. REQUIRES: the producers' lock.
inline Segment* segment_for_put(QueueObject& queue, Place tail, std::uint32_t units) noexcept {
  const Offset last = queue.producers.segment.load(std::memory_order_relaxed);
  if (last == 0) return nullptr;
  auto* const segment = memory::at_as<Segment>(last);
  return segment->units_from(tail.unit) >= units ? segment : nullptr;
}

/// Of segment_for_get(): the row's first, and the one of the frame where others follow.
Segment& first_segment_for_get(QueueObject& queue) noexcept;
Segment& next_segment_for_get(QueueObject& queue, Segment& segment, Place head) noexcept;

/// The segment of the frame at `head`. REQUIRES: the consumers' lock, and that there is a frame.
inline Segment& segment_for_get(QueueObject& queue, Place head) noexcept {
  const Offset known = queue.consumers.segment.load(std::memory_order_relaxed);
  Segment& segment = known != 0 ? *memory::at_as<Segment>(known) : first_segment_for_get(queue);
  const bool last = segment.next.load(std::memory_order_relaxed) == 0;
  return last ? segment : next_segment_for_get(queue, segment, head);
}

/// Frees drained segments but one. Holds no lock.
void trim(QueueObject& queue) noexcept;

/// What the next holder of the lock does for a dead one. REQUIRES: that lock.
void settle_link(QueueObject& queue) noexcept;
void settle_chain(QueueObject& queue) noexcept;

/// Frees the whole row of a queue that nobody uses and that is empty.
void free_row(QueueObject& queue) noexcept;

}  // namespace multiprocessing::queues
