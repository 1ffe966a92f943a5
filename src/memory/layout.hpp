// SPDX-License-Identifier: BSL-1.0
// How the arena's memory is laid out, and this process's mapping of it.
//
// arena  := control slots chunk_words run_words segment_head chunk*
// chunk  := 1 MiB: blocks of one size behind their owner words, or a part of a run
//
// All of it is zero at birth, and zero is the valid empty state of everything.
#pragma once
#include <pthread.h>
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "memory/identity.hpp"

namespace multiprocessing::memory {

inline constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
inline constexpr std::size_t kSlots = 4096;
inline constexpr std::size_t kClasses = 25;  // 64, 128, 192, 256, 384, 512 … 384 KiB

/// One process. Only its holder writes it, but for the life word and `unadopted`.
struct alignas(128) Slot {
  pthread_mutex_t life;        ///< robust; held from attach to death
  std::atomic<Serial> serial;  ///< who holds the slot, or held it last
  std::atomic<std::int32_t> pid;
  /// How often the life word went from thread to thread: odd while a thread that ended let it go
  /// and no other has taken it yet, see dead().
  std::atomic<std::uint32_t> handed_over;
  std::atomic<std::uint32_t>
      unadopted;  ///< forked children that have no references of their own yet, see object.cpp
  std::atomic<std::int64_t>
      nursery_until;  ///< until when dead references still protect those children
  std::atomic<std::uint64_t> start_time;  ///< of the process, only set with handed_over
  std::atomic<Serial> swept;              ///< the serial whose leavings are known to be gone
  char name[52];                          ///< ends with a zero

  [[nodiscard]] os::FutexWord& life_word() noexcept {
    return *reinterpret_cast<os::FutexWord*>(&life.__data.__lock);
  }
};
static_assert(sizeof(Slot) == 128);

struct Control {
  std::uint64_t bytes;         ///< the arena's size in address space
  std::uint64_t limit_chunks;  ///< how many chunks may have memory
  /// That have memory, may run high after a kill; above them how often any were taken.
  std::atomic<std::uint64_t> taken_chunks;
  /// Of these, free ones; may be off after a kill, below zero too.
  std::atomic<std::int64_t> cached_chunks;
  std::atomic<std::int64_t> idle_chunks;  ///< and those of free blocks alone; likewise
  std::atomic<std::uint32_t> high_chunk;  ///< no chunk from here on was ever taken
  std::atomic<std::uint32_t> run_hint;    ///< where a run was freed last
  std::atomic<std::uint32_t> next_slot;
  std::atomic<std::uint32_t> high_slot;  ///< no slot from here on was ever taken
  std::atomic<std::uint32_t> sweep_requested;
  std::atomic<std::uint32_t> class_hint[kClasses];
  os::FutexWord parking_lock;                     ///< held by who uses Mapping::parking
  std::atomic<std::uint32_t> parking_dirty;       ///< something in there has yet to be removed
  std::atomic<Serial> first;                      ///< the process that the tree began with
  os::FutexWord block_names_lock;                 ///< held by who uses block_names
  std::atomic<std::uint64_t> block_names;         ///< offset of the first, see block_names.hpp
  std::atomic<std::uint64_t> block_names_intent;  ///< name of the entry that is being added to them
};

inline constexpr std::size_t kSlotsAt = 4096;
inline constexpr std::size_t kChunkWordsAt = std::size_t{1} << 20;
inline constexpr std::size_t kMaxChunks = std::size_t{1} << 16;
inline constexpr std::size_t kRunWordsAt = kChunkWordsAt + kMaxChunks * 8;
inline constexpr std::size_t kSegmentAt = kRunWordsAt + kMaxChunks * 8;
inline constexpr std::size_t kChunksAt = kSegmentAt + (std::size_t{1} << 20);
static_assert(kSlotsAt + kSlots * sizeof(Slot) <= kChunkWordsAt);

/// A socket in whose buffer descriptors wait that are in messages, for memory cannot hold them
/// (connection/parking.hpp). All processes of the tree have its ends, as they have the arena's
/// descriptor; -1 where the system had no descriptors left at the first use.
struct ParkingSocket {
  int in;
  int out;
  ino_t inodes[2];  ///< whether the numbers still are the ends: programs close what they don't know
};

/// The arena in this process; mapped at the first use, inherited by fork at the same address.
struct Mapping {
  std::byte* base;
  std::size_t bytes;
  int descriptor;
  std::size_t chunks;
  ParkingSocket parking;
  /// The control page once more, to read, amid what every process touches: a fresh child has page
  /// tables there, and none for the arena.
  const Control* near;

  [[nodiscard]] Control& control() const noexcept { return *reinterpret_cast<Control*>(base); }
  [[nodiscard]] Slot& slot(std::size_t i) const noexcept {
    return reinterpret_cast<Slot*>(base + kSlotsAt)[i];
  }
  [[nodiscard]] Slot& slot_of(Serial serial) const noexcept { return slot(serial % kSlots); }
};
[[nodiscard]] const Mapping& mapping();

/// The serial of a slot's dead holder may still stand for children that did not adopt their
/// parent's references yet: those count as alive for that long.
[[nodiscard]] bool references_dead(Serial serial) noexcept;

/// Has the lock of this process's identity held across forks, so that no child finds it taken by a
/// thread that it does not have.
void keep_identity_across_forks() noexcept;

}  // namespace multiprocessing::memory
