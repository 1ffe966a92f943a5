// SPDX-License-Identifier: BSL-1.0
// One direction of a Pipe: its messages, in order, in memory that all processes share.
//
// Senders append frames under one lock, receivers take them under another; neither sleeps, blocks
// or runs the user's code under its lock. The socket beside it carries what memory cannot hold or
// shall not, and is the doorbell: it is readable whenever a frame is here.
//
//   Before a frame is published with nothing in the socket that will be received after all frames
//   before it, a bell is sent. `bell_rung` says that there is one behind all packets; it may say so
//   too seldom, never too often.
//   A packet is sent before its frame is published, under the lock.
//   Bells are taken out by a receiver that found no frame, under both locks; those in front of a
//   packet with the packet.
//
// Death, at any instruction: a sender's frame is there when `tail` is stored, and a receiver's is
// gone when `head` is. What else a dead one leaves is a bell too many, or a packet without a frame,
// which the next receiver who finds it drops. So the locks need no repair.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "connection/packet.hpp"
#include "memory/object.hpp"
#include "sync/gate.hpp"
#include "sync/lock_word.hpp"

namespace multiprocessing::connection {

class Lane : public memory::ObjectHeader {
 public:
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kLane;
  static constexpr std::size_t kCapacity = std::size_t{63} * 1024;
  /// Longer bodies go by packet.
  static constexpr std::size_t kBodyBytes = std::size_t{16} * 1024;

  /// A new one; its frames' memory is not touched.
  [[nodiscard]] static memory::Handle make();

  /// One look; also without a lock.
  [[nodiscard]] bool empty() const noexcept {
    return receiving.head.load(std::memory_order_acquire) ==
           sending.tail.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::size_t room() const noexcept {
    return kCapacity - static_cast<std::size_t>(sending.tail.load(std::memory_order_acquire) -
                                                receiving.head.load(std::memory_order_acquire));
  }
  [[nodiscard]] static constexpr std::size_t frame_bytes(std::size_t body) noexcept {
    return (sizeof(PacketHeader) + body + 7) & ~std::size_t{7};
  }

  /// Whether a frame of so many bytes fits. REQUIRES: the senders' lock.
  [[nodiscard]] bool has_room(std::size_t frame) noexcept;
  /// Publishes a frame. REQUIRES: the senders' lock; has_room().
  void append(const PacketHeader& header, std::span<const std::byte> body) noexcept;

  /// Whether there is a frame. REQUIRES: the receivers' lock.
  [[nodiscard]] bool has_frame() noexcept;
  /// REQUIRES: the receivers' lock; has_frame().
  [[nodiscard]] PacketHeader front() const noexcept;
  void copy_body(std::span<std::byte> into) const noexcept;
  void pop(std::size_t frame) noexcept;

  struct alignas(64) {
    sync::RawLock lock;
    std::atomic<std::uint32_t> bell_rung;  ///< guarded
    std::atomic<std::uint64_t> tail;
    std::atomic<std::uint64_t> head_seen;  ///< guarded: not ahead of head
    std::uint64_t last_number;             ///< guarded: of the last packet
    std::uint64_t reserved[11];            // processors fetch lines in pairs
  } sending;
  struct alignas(64) {
    sync::RawLock lock;
    sync::Gate gate;  ///< senders who wait for room
    std::atomic<std::uint64_t> head;
    std::atomic<std::uint64_t> tail_seen;  ///< guarded: not ahead of tail
    std::uint64_t reserved[13];
  } receiving;

 private:
  struct Window {
    std::span<std::byte> first, second;
  };
  [[nodiscard]] Window window(std::uint64_t at, std::size_t bytes) const noexcept;
};
static_assert(sizeof(Lane) == 64 + 128 + 128);

}  // namespace multiprocessing::connection
