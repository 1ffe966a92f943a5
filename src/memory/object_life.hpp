// SPDX-License-Identifier: BSL-1.0
// The protocol by which objects stay alive and end; between object.cpp and sweep.cpp.
//
// Whoever looks whether an object still has references owns its block for that moment, so two
// never look at once; a new reference that finds the block owned waits for the verdict, which
// cannot be "none" as long as the reference that protects the newcomer stands.
#pragma once
#include "memory/block_word.hpp"
#include "memory/object.hpp"

namespace multiprocessing::memory {

/// Whether a living process or block refers to the object; `except` is not looked at.
[[nodiscard]] bool has_reference(ObjectHeader& object, const ReferenceWord* except) noexcept;

/// REQUIRES: this process owns the block. Clears `own` (may be null), then destroys and frees the
/// object if that was the last reference, else publishes it. Says whether it is gone.
bool end_object(ObjectHeader& object, ReferenceWord* own) noexcept;

/// Keeps or frees a block of further reference words that this process took from its dead owner
/// `former`.
bool dispose_extension(void* block, OwnerWord& word, Serial former) noexcept;

/// A look at the header's own words alone; may be done without owning the block, and be wrong.
[[nodiscard]] bool seems_referenced(const ObjectHeader& object) noexcept;

/// As allocate(), for a caller that may hold the mutex of this process's references: no drop that
/// was put off is made.
[[nodiscard]] void* allocate_for_references(std::size_t bytes);

/// Drops what could not be dropped while a forked child had no references of its own yet.
void flush_deferred_drops() noexcept;

}  // namespace multiprocessing::memory
