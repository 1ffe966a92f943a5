// SPDX-License-Identifier: BSL-1.0
// Putting messages: everything under the producers' lock.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "memory/parcel.hpp"
#include "os/clock.hpp"
#include "os/patience.hpp"
#include "queues/layout.hpp"

namespace multiprocessing::queues {

/// A message on its way in: bytes, at most kInlineMax of them, or a parcel of this process's.
struct Outgoing {
  std::uint32_t type;
  std::span<const std::byte> bytes;
  memory::Parcel* parcel = nullptr;
};

/// Says whether there was room in time. A parcel belongs to the queue then, else still to the
/// caller. THROWS: MemoryError, and nothing was put.
bool put(QueueObject& queue, const Outgoing& message, const os::Deadline& deadline,
         os::Patience& patience);

}  // namespace multiprocessing::queues
