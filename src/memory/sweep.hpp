// SPDX-License-Identifier: BSL-1.0
// What becomes of the blocks that dead processes leave behind.
#pragma once
#include <cstddef>

#include "memory/block_word.hpp"

namespace multiprocessing::memory {

/// Ends a block that this process took from `former`, dead or kShared: frees bytes, lets go of a
/// parcel's handles, destroys an object that nobody refers to and publishes one that somebody does.
/// Says whether it is gone.
bool dispose(void* block, OwnerWord& word, Serial former) noexcept;

/// sweep() without the drops that were put off: may be called with any mutex held.
std::size_t sweep_blocks() noexcept;

}  // namespace multiprocessing::memory
