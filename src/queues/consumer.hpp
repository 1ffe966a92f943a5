// SPDX-License-Identifier: BSL-1.0
// Getting messages: everything under the consumers' lock.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <multiprocessing/detail/handle.hpp>
#include <span>
#include <vector>

#include "memory/parcel.hpp"
#include "os/clock.hpp"
#include "os/patience.hpp"
#include "queues/layout.hpp"

namespace multiprocessing::queues {

/// A message that was taken and belongs to this process.
class Taken {
 public:
  /// `room`: where a short message shall lie; empty: here.
  explicit Taken(std::span<std::byte> room = {}) noexcept  // NOLINT: the buffer is filled as used
      : room_(room.empty() ? std::span(buffer_) : room) {}
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  ~Taken() {
    if (parcel != nullptr) memory::free_parcel(parcel);
  }

  /// Copies a short message; false if there is no room for it.
  bool copy(const std::byte* from, std::size_t bytes) noexcept {
    if (bytes > room_.size()) return false;
    std::memcpy(room_.data(), from, bytes);
    length_ = bytes;
    return true;
  }
  [[nodiscard]] std::span<const std::byte> bytes() noexcept {
    return parcel != nullptr ? parcel->payload() : room_.first(length_);
  }
  /// Whether it is a short message that fills the room given to the constructor.
  [[nodiscard]] bool fills(std::span<std::byte> room) const noexcept {
    return parcel == nullptr && !room.empty() && length_ == room.size();
  }

  memory::Parcel* parcel = nullptr;
  std::vector<detail::Handle> handles;  ///< the parcel's

 private:
  std::span<std::byte> room_;
  std::size_t length_ = 0;
  alignas(16) std::byte buffer_[kInlineMax];
};

/// The handles that a parcel keeps. REQUIRES: that the parcel stays.
[[nodiscard]] std::vector<detail::Handle> handles_of(memory::Parcel& parcel);

/// Asked about a message of another type than wanted, or with descriptors in it, while it is still
/// in the queue; what it throws leaves the message there.
class Inspector {
 public:
  virtual void inspect(std::uint32_t type, std::span<const std::byte> bytes,
                       std::span<const detail::Handle> handles) = 0;

 protected:
  ~Inspector() = default;
};

enum class Got {
  kMessage,    ///< `taken` has it
  kInspected,  ///< the inspector has seen it, and it is gone from the queue
  kNothing     ///< in time
};

/// Takes the next message. `wanted`: its type, where a message of any other goes to the inspector,
/// as does one with descriptors in it.
Got get(QueueObject& queue, std::uint32_t wanted, Inspector& inspector, Taken& taken,
        const os::Deadline& deadline, os::Patience& patience);

/// Takes every message and lets go of it. REQUIRES: that nobody uses the queue.
void drain(QueueObject& queue) noexcept;

}  // namespace multiprocessing::queues
