// SPDX-License-Identifier: BSL-1.0
// What the ends of a Pipe share, in all processes: locks, and the handles in flight.
//
// Messages are in the kernel's buffers, which keep no shared object alive. Handles in a message
// therefore ride in a bag, an object that the pipe keeps alive until the receiver has taken what
// is in it.
//
// Death: a receiver that dies before it let go of the bag, and a message that is never received,
// leave a bag that ends with the pipe. The locks are held by processes and taken over.
#pragma once
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "memory/object.hpp"
#include "sync/lock_word.hpp"

namespace multiprocessing::connection {

struct PipeState : memory::ObjectHeader {
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kConnection;

  /// Held by the receiver of a message at that end, all through one that comes in pieces.
  sync::RawLock receiving[2]{};
  /// Held by the sender of a message in pieces at that end.
  sync::RawLock sending[2]{};
  /// Bags that were made and not yet let go of; may run high after a kill.
  std::atomic<std::uint32_t> bags{0};
};

/// Packs handles for a message through this pipe; what it returns goes into the message.
[[nodiscard]] memory::Offset pack(PipeState& pipe, std::span<const memory::Handle> handles);

/// Takes what is in a bag that came out of this pipe, and lets go of it.
[[nodiscard]] std::vector<memory::Handle> unpack(PipeState& pipe, memory::Offset bag);

/// Lets go of a bag whose message could not be sent.
void discard(PipeState& pipe, memory::Offset bag) noexcept;

/// What pipes leave when they end; before the first pipe is made or received.
void register_finalizers() noexcept;

}  // namespace multiprocessing::connection
