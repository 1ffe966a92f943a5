// SPDX-License-Identifier: BSL-1.0
// What a killed process had published for a queue, or taken out of it, and no longer needs.
#pragma once
#include <cstdint>

namespace multiprocessing::queues {

/// Frees the published block of that name, a parcel's handles with it. Nothing where the block is
/// gone, used anew, or somebody's own: then it is in good hands, or swept with its owner.
void reclaim(std::uint64_t block_name) noexcept;

}  // namespace multiprocessing::queues
