// SPDX-License-Identifier: BSL-1.0
// The birth and the end of a queue in shared memory.
#pragma once
#include <cstdint>

#include "memory/object.hpp"
#include "queues/layout.hpp"

namespace multiprocessing::queues {

/// THROWS: MemoryError.
[[nodiscard]] memory::Handle make_queue(QueueObject::Flavour flavour, std::uint32_t maxsize);

}  // namespace multiprocessing::queues
