// SPDX-License-Identifier: BSL-1.0
// A message in a block of its own: too large for a channel's own memory, or with handles in it.
//
// parcel := header handle:u64[handle_count] padding payload       payload is 64-byte aligned
//
// Death: a parcel belongs to its maker until a channel publishes it, and to its taker after the
// channel claimed it for it; a dead one's parcel is swept, its handles with it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include "memory/object.hpp"

namespace multiprocessing::memory {

struct Parcel {
  std::uint64_t payload_bytes;
  std::uint32_t type;  ///< the message's fingerprint
  std::uint32_t handle_count;
  std::uint64_t place[4];    ///< for the channel that carries it: position, link, whatever
  std::uint64_t payload_at;  ///< bytes from the parcel's begin
  std::uint64_t reserved;

  [[nodiscard]] std::span<std::byte> payload() noexcept {
    return {reinterpret_cast<std::byte*>(this) + payload_at, payload_bytes};
  }
  [[nodiscard]] std::span<std::uint64_t> handles() noexcept {
    return {reinterpret_cast<std::uint64_t*>(this + 1), handle_count};
  }
};
static_assert(sizeof(Parcel) == 64);

/// A parcel of this process with room for the payload; its handles are pinned. MemoryError.
[[nodiscard]] Parcel* make_parcel(std::size_t payload_bytes, std::uint32_t type,
                                  std::span<const Handle> handles);

/// Shortens the payload of one's own parcel.
inline void shrink_parcel(Parcel& parcel, std::size_t payload_bytes) noexcept {
  parcel.payload_bytes = payload_bytes;
}

/// Lets go of the handles and frees this process's parcel.
void free_parcel(Parcel* parcel) noexcept;

}  // namespace multiprocessing::memory
