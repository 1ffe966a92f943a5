// SPDX-License-Identifier: BSL-1.0
#include "memory/parcel.hpp"

#include "memory/block_word.hpp"

namespace multiprocessing::memory {

Parcel* make_parcel(std::size_t payload_bytes, std::uint32_t type,
                    std::span<const Handle> handles) {
  const std::size_t payload_at = align_up(sizeof(Parcel) + handles.size() * sizeof(Offset), 64);
  if (payload_bytes > SIZE_MAX / 2) payload_bytes = SIZE_MAX / 2;  // allocate() says no
  auto* parcel = static_cast<Parcel*>(allocate(payload_at + payload_bytes, BlockKind::kParcel));
  parcel->payload_bytes = payload_bytes;
  parcel->payload_at = payload_at;
  parcel->type = type;
  auto* offsets = reinterpret_cast<std::uint64_t*>(parcel + 1);
  for (std::size_t i = 0; i < handles.size(); ++i) {
    offsets[i] = offset_of(handles[i].get());
    // Counted before it is pinned: a sweep lets go of what is counted, pinned or not.
    parcel->handle_count = static_cast<std::uint32_t>(i + 1);
    try {
      pin(handles[i].as<ObjectHeader>(), parcel);
    } catch (...) {
      free_parcel(parcel);
      throw;
    }
  }
  return parcel;
}

void free_parcel(Parcel* parcel) noexcept {
  for (const std::uint64_t offset : parcel->handles()) {
    unpin(*at_as<ObjectHeader>(offset), parcel);
  }
  deallocate(parcel);
}

}  // namespace multiprocessing::memory
