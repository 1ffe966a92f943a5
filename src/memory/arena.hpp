// SPDX-License-Identifier: BSL-1.0
// The memory that a process tree shares: one sealed, sparse, nameless memfd and its blocks.
//
// A block's truth is one 64-bit owner word: who owns it, what kind it is and its generation. A
// block belongs to the process that allocated it until publish(); one whose owner died is swept.
//
// Death: a process's own blocks are freed by the next sweep(); published ones belong to whoever
// refers to them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <multiprocessing/detail/handle.hpp>

#include "memory/identity.hpp"
#include "os/fresh_image.hpp"

namespace multiprocessing::memory {

using detail::Offset;

/// What a sweep does with a block whose owner died.
enum class BlockKind : std::uint8_t {
  kPlain,      ///< bytes: freed
  kParcel,     ///< a message with handles: they are let go, then it is freed (parcel.hpp)
  kExtension,  ///< more reference words of an object
  kObject      ///< a shared object: destroyed if nobody refers to it (object.hpp)
};

/// A block owned by this process, 64-byte aligned, contents undefined (objects: zeroed, or their
/// first `zeroed` bytes are).
/// Throws MemoryError when the segment limit or the system's memory is used up.
[[nodiscard]] void* allocate(std::size_t bytes, BlockKind kind = BlockKind::kPlain,
                             std::size_t zeroed = SIZE_MAX);

/// Frees a block owned by this process.
void deallocate(void* block) noexcept;

/// The usable bytes of a block, at least what was asked for.
[[nodiscard]] std::size_t block_size(const void* block) noexcept;

/// Hands this process's block to the arena; from here on it survives this process.
void publish(void* block) noexcept;

/// Takes a published block for this process; false if it is not published (any more).
bool claim(void* block) noexcept;

/// Who owns the block, kShared if published, kNobody if free.
[[nodiscard]] Serial owner(const void* block) noexcept;

/// Frees or destroys what dead processes owned, drops their references. Says how many blocks.
/// Cheap where nothing died; any process may call it at any time.
std::size_t sweep();

/// Sweeps if a process ended since the last sweep of this process without letting go itself.
void note_death() noexcept;

[[nodiscard]] Offset offset_of(const void* address) noexcept;
[[nodiscard]] void* at(Offset offset) noexcept;
template <class T> [[nodiscard]] T* at_as(Offset offset) noexcept {
  return static_cast<T*>(at(offset));
}

/// What a fresh image of this program needs of the arena; owned by the arena.
[[nodiscard]] os::SharedDescriptors shared_descriptors();

/// What the arena holds, for tests and error messages.
struct Usage {
  std::size_t limit_bytes;  ///< set_segment_limit or its default
  std::size_t taken_bytes;  ///< chunks in use, whole MiB
  std::size_t blocks;       ///< blocks that are not free
};
[[nodiscard]] Usage usage();

}  // namespace multiprocessing::memory
