// SPDX-License-Identifier: BSL-1.0
// What the ends of a Pipe share, in all processes.
//
// Handles in a message ride in a bag, an object that the pipe keeps alive until the receiver has
// taken what is in it.
//
// Death: a lane that its maker did not hook in, a sender that dies before its message is under way,
// a receiver that dies after it took the message, and a message that is never received leave a lane
// or a bag that ends with the pipe. All else that a death leaves is found by the next sweep.
#pragma once
#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "memory/object.hpp"

namespace multiprocessing::connection {

struct PipeState : memory::ObjectHeader {
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kConnection;

  /// What each end sends; 0 before its first message.
  std::atomic<memory::Offset> lanes[2]{};
  /// Somebody polls the descriptor of that end without our knowing: it must always be true.
  std::atomic<std::uint32_t> watched[2]{};
  /// How often a process closed one of the ends, as far as it could tell.
  std::atomic<std::uint32_t> closings{0};
  /// Bags and lanes that were pinned and not yet let go; may run high after a kill.
  std::atomic<std::uint32_t> pinned{0};
};

/// The handles of one message, by its sender.
class Bag {
 public:
  /// No bag if there are no handles. THROWS: MemoryError.
  Bag(PipeState& pipe, std::span<const memory::Handle> handles);
  Bag(const Bag&) = delete;
  Bag& operator=(const Bag&) = delete;
  /// Lets go of it, unless its message is under way.
  ~Bag();

  /// For the message; 0 if there is none.
  [[nodiscard]] memory::Offset offset() const noexcept;
  /// The message is under way: the bag is the receiver's.
  void sent() noexcept { sent_ = true; }

 private:
  PipeState& pipe_;
  memory::Handle object_;
  bool sent_ = false;
};

/// Takes what is in a bag that came out of this pipe, and lets go of it.
[[nodiscard]] std::vector<memory::Handle> unpack(const memory::Handle& pipe, memory::Offset where);

}  // namespace multiprocessing::connection
