// SPDX-License-Identifier: BSL-1.0
// What stands in a reference word: a process's serial, or the name of a block.
//
// block name := 1:1 unit:30 generation:24      unit counts 64 bytes from the first chunk
#pragma once
#include <cstdint>

#include "memory/object.hpp"
#include "memory/segment.hpp"

namespace multiprocessing::memory {

inline constexpr std::uint64_t kBlockTag = std::uint64_t{1} << 63;

/// Names a block of this generation: the same memory, allocated again, has another name.
[[nodiscard]] inline std::uint64_t name_of(const void* block) noexcept {
  const std::uint64_t unit = (offset_of(block) - kChunksAt) / 64;
  return kBlockTag | unit << 24 | generation_in(blocks().owner_word(block).load());
}

template <class T = void> [[nodiscard]] T* block_of(std::uint64_t name) noexcept {
  return at_as<T>(kChunksAt + ((name & ~kBlockTag) >> 24) * 64);
}

constexpr std::uint64_t generation_in_name(std::uint64_t name) { return name & 0xff'ffff; }

/// Whether the block of that name is allocated, whoever owns it.
[[nodiscard]] inline bool names_live_block(std::uint64_t name) noexcept {
  const OwnerWord* word = blocks().owner_word_of_live(block_of(name));
  return word != nullptr && generation_in(word->load()) == generation_in_name(name);
}

/// Changes the kind of a block that this process owns.
inline void set_block_kind(void* block, BlockKind kind) noexcept {
  OwnerWord& word = blocks().owner_word(block);
  word.store(owner_value(generation_in(word.load()), kind, self()), std::memory_order_release);
}

/// Adds a reference while another one protects the object; returns its word.
ReferenceWord* add_reference(ObjectHeader& object, std::uint64_t value);

/// Adds a reference to the object of that name whether another one protects it or not; null if it
/// has ended.
ReferenceWord* add_reference_if_alive(ObjectName name, std::uint64_t value);

/// Adds a reference to an object that this process owns, and nobody but this thread.
ReferenceWord* attach_reference(ObjectHeader& object, std::uint64_t value);

/// Drops the reference in `own`, or where that is null one that reads `value`, if there is any.
/// Ends the object if it was the last.
void drop_reference(ObjectHeader& object, ReferenceWord* own, std::uint64_t value) noexcept;

}  // namespace multiprocessing::memory
