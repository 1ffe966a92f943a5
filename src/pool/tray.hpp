// SPDX-License-Identifier: BSL-1.0
// Where a worker puts the results of a chunk, so that those of ended items outlive it.
//
// They lie in the slot while they fit there, then in a parcel that nobody owns but the slot. A
// larger one, or one with more handles, takes its place by one store.
//
// Death: of the two parcels that the slot names the current one holds the results of all items that
// are done; the other one is freed with the slot.
#pragma once
#include <cstddef>
#include <multiprocessing/detail/pool_task.hpp>
#include <vector>

#include "memory/object.hpp"
#include "pool/layout.hpp"

namespace multiprocessing::pool {

class Tray final : public detail::ResultSink {
 public:
  /// `expected`: how many bytes there may be; makes the first parcel large enough.
  Tray(TaskSlot& slot, std::size_t expected);
  Tray(const Tray&) = delete;
  Tray& operator=(const Tray&) = delete;

  struct Mark {
    detail::Encoder::Mark written;
    std::size_t parked;
  };
  [[nodiscard]] Mark mark() const noexcept { return {encoder_.mark(), parked_.size()}; }
  /// Forgets what an item that failed has written.
  void cut_back(const Mark& before) noexcept;

  void reserve(std::size_t bytes) override;
  /// After an item: all that was written lies in shared memory. `before`: what there was before
  /// the item. THROWS: MemoryError.
  void secure(const Mark& before);
  [[nodiscard]] std::size_t bytes() const noexcept { return encoder_.size(); }

 private:
  void keep_descriptors() override;
  void move_to_parcel(std::size_t bytes);

  TaskSlot& slot_;
  std::size_t kept_descriptors_ = 0;    // of the encoder's, by parked_
  std::vector<memory::Handle> parked_;  // stand for descriptors of results
};

}  // namespace multiprocessing::pool
