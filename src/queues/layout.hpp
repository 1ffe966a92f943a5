// SPDX-License-Identifier: BSL-1.0
// What a queue is in shared memory.
//
// queue    := header limits producers consumers chain ledger?
// segment  := next begin units frame*            a row of segments, each filled once from its begin
// frame    := length:u32 type:u32 payload        padded to whole units of 16 bytes
// payload  := byte[length]                       a message of at most kInlineMax bytes
//           | parcel:u64                         where length has kParcelFrame: the block's name
//
// A frame exists with the one store of the producers' place (tail), and is gone with the one store
// of the consumers' place (head). A place counts units and messages, so qsize is exact whoever is
// killed. Each side has its lock; the third lock guards the drained segments.
//
// Death: before the store the next holder of the lock finds the old place, after it the new one.
// What else a holder was about to change stands in its side's intent, which the next holder
// settles: a block on its way into or out of the row, an account of the ledger.
#pragma once
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "memory/object.hpp"
#include "memory/reference_word.hpp"
#include "sync/gate.hpp"
#include "sync/lock_word.hpp"

namespace multiprocessing::queues {

using memory::Offset;

inline constexpr std::size_t kUnit = 16;
inline constexpr std::size_t kInlineMax = std::size_t{16} * 1024;
inline constexpr std::uint32_t kParcelFrame = 0x8000'0000U;

/// How far a side has come, in units and in messages; both modulo 2^32, of which differences are
/// meaningful, as the arena has room for no more.
struct Place {
  std::uint32_t unit;
  std::uint32_t count;
  friend bool operator==(Place, Place) = default;
};

/// Read and written as one.
class PlaceWord {
 public:
  [[nodiscard]] Place load(std::memory_order order = std::memory_order_relaxed) const noexcept {
    return std::bit_cast<Place>(word_.load(order));
  }
  void store(Place place, std::memory_order order = std::memory_order_relaxed) noexcept {
    word_.store(std::bit_cast<std::uint64_t>(place), order);
  }

 private:
  std::atomic<std::uint64_t> word_;
};

struct Frame {
  std::uint32_t length;
  std::uint32_t type;

  [[nodiscard]] bool is_parcel() const noexcept { return (length & kParcelFrame) != 0; }
  [[nodiscard]] std::size_t bytes() const noexcept {
    return is_parcel() ? sizeof(std::uint64_t) : length;
  }
  [[nodiscard]] std::uint32_t units() const noexcept {
    return static_cast<std::uint32_t>((sizeof(Frame) + bytes() + kUnit - 1) / kUnit);
  }
};
static_assert(sizeof(Frame) == 8);

struct Segment {
  std::atomic<Offset> next;  ///< set once, when the row goes on elsewhere
  std::uint32_t begin;       ///< unit of the first frame
  std::uint32_t units;       ///< room
  std::uint64_t reserved[6];

  [[nodiscard]] std::byte* at(std::uint32_t unit) noexcept {
    return reinterpret_cast<std::byte*>(this + 1) + std::size_t{unit - begin} * kUnit;
  }
  /// How many units there are from that one to the end.
  [[nodiscard]] std::uint32_t units_from(std::uint32_t unit) const noexcept {
    return units - (unit - begin);
  }
};
static_assert(sizeof(Segment) == 64);

/// What the holder of a lock is about to do with a block; 0: nothing.
struct Intent {
  std::atomic<std::uint64_t> block;  ///< its name, stored last and cleared first
  PlaceWord at;                      ///< the side's place before
};

/// All that the producers write, or all that the consumers write: one cache line.
struct Side {
  sync::RawLock lock;
  sync::Gate gate;  ///< of the other side: who waits for this side to move
  PlaceWord place;
  PlaceWord other;              ///< the other side's place when last looked: never ahead of it
  std::atomic<Offset> segment;  ///< where `place` lies, or a segment before that; 0: not yet known
  Intent intent;
  std::uint64_t reserved[2];
};
static_assert(sizeof(Side) == 64);

struct Ledger;

struct QueueObject : memory::ObjectHeader {
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kQueue;

  enum class Flavour : std::uint32_t { kQueue, kJoinable, kSimple };

  QueueObject(Flavour kind_of_queue, std::uint32_t limit) noexcept
      : flavour(kind_of_queue), maxsize(limit) {}

  // Two lines apart: processors fetch lines in pairs.
  const Flavour flavour;
  const std::uint32_t maxsize;  ///< 0: no limit
  std::uint64_t reserved_limits[7];
  Side producers;
  std::uint64_t reserved_producers[8];
  Side consumers;
  std::uint64_t reserved_consumers[8];

  struct {
    sync::RawLock lock;
    std::uint32_t reserved32;
    std::atomic<Offset> first;          ///< the oldest segment, drained or not
    std::atomic<std::uint64_t> intent;  ///< name of the segment that is being taken out
    std::uint64_t reserved[5];
  } chain;

  /// Null but for a JoinableQueue.
  [[nodiscard]] Ledger* ledger() noexcept;
};

/// How many messages it holds; exact for the moment at which no get came between the two looks.
[[nodiscard]] inline std::uint32_t size_of(const QueueObject& queue) noexcept {
  for (Place head = queue.consumers.place.load(std::memory_order_acquire);;) {
    const Place tail = queue.producers.place.load(std::memory_order_acquire);
    const Place again = queue.consumers.place.load(std::memory_order_acquire);
    if (again == head) return tail.count - head.count;
    head = again;
  }
}

static_assert(sizeof(QueueObject) == 64 + 64 + 128 + 128 + 64);

}  // namespace multiprocessing::queues
