// SPDX-License-Identifier: BSL-1.0
// Getting messages: everything under the consumers' lock.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <multiprocessing/detail/handle.hpp>
#include <span>
#include <vector>

#include "memory/parcel.hpp"
#include "os/clock.hpp"
#include "queues/layout.hpp"
#include "queues/patience.hpp"

namespace multiprocessing::queues {

/// A message that was taken and belongs to this process.
class Taken {
 public:
  // The buffer is filled as far as it is used.
  Taken() noexcept {}  // NOLINT(modernize-use-equals-default)
  Taken(const Taken&) = delete;
  Taken& operator=(const Taken&) = delete;
  ~Taken() {
    if (parcel != nullptr) memory::free_parcel(parcel);
  }
  [[nodiscard]] std::span<const std::byte> bytes() noexcept {
    return parcel != nullptr ? parcel->payload() : std::span(buffer, length);
  }

  std::uint32_t type = 0;
  std::uint32_t length = 0;
  memory::Parcel* parcel = nullptr;
  alignas(16) std::byte buffer[kInlineMax];
};

/// The handles that a parcel keeps. REQUIRES: that the parcel stays.
[[nodiscard]] std::vector<detail::Handle> handles_of(memory::Parcel& parcel);

/// Asked about a message of another type than wanted while it is still in the queue; what it
/// throws leaves the message there.
class Inspector {
 public:
  virtual void inspect(std::uint32_t type, std::span<const std::byte> bytes,
                       std::span<const detail::Handle> handles) = 0;

 protected:
  ~Inspector() = default;
};

enum class Got {
  kMessage,    ///< `taken` has it
  kInspected,  ///< of another type: the inspector has seen it, and it is gone from the queue
  kNothing     ///< in time
};

/// Takes the next message. `wanted`: its type, where a message of any other goes to the inspector.
Got get(QueueObject& queue, std::uint32_t wanted, Inspector& inspector, Taken& taken,
        const os::Deadline& deadline, Patience& patience);

/// Takes every message and lets go of it. REQUIRES: that nobody uses the queue.
void drain(QueueObject& queue) noexcept;

}  // namespace multiprocessing::queues
