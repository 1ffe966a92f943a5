// SPDX-License-Identifier: BSL-1.0
#include "pool/tray.hpp"

#include <algorithm>
#include <iterator>
#include <span>

#include "connection/parking.hpp"
#include "memory/parcel.hpp"
#include "memory/reference_word.hpp"
#include "queues/reclaim.hpp"

namespace multiprocessing::pool {
namespace {
constexpr std::size_t kFirstParcel = 4096;
constexpr std::size_t kGrowth = 4;
}  // namespace

Tray::Tray(TaskSlot& slot, std::size_t expected) : slot_(slot) {
  encoder_.move_to(std::span(slot.inline_results));
  if (expected > TaskSlot::kInlineResults) move_to_parcel(expected);
}

void Tray::reserve(std::size_t bytes) {
  if (encoder_.in_place() && encoder_.room() >= bytes) return;
  move_to_parcel(encoder_.size() + bytes);
}

void Tray::cut_back(const Mark& before) noexcept {
  encoder_.cut_back(before.written);
  parked_.resize(before.parked);
  kept_descriptors_ = before.written.descriptors;
}

void Tray::keep_descriptors() {
  const auto fresh = std::span(encoder_.descriptors()).subspan(kept_descriptors_);
  if (fresh.empty()) return;
  std::ranges::move(connection::park(fresh), std::back_inserter(parked_));
  kept_descriptors_ += fresh.size();
}

void Tray::secure(const Mark& before) {
  const bool more_handles =
      encoder_.handles().size() != before.written.handles || parked_.size() != before.parked;
  if (!encoder_.in_place() || more_handles) {
    move_to_parcel(std::max(kFirstParcel, kGrowth * encoder_.size()));
  }
  // Before the progress that tells of the item.
  slot_.result_bytes.store(encoder_.size(), std::memory_order_relaxed);
}

void Tray::move_to_parcel(std::size_t bytes) {
  std::vector<memory::Handle> handles = encoder_.handles();
  handles.insert(handles.end(), parked_.begin(), parked_.end());
  memory::Parcel* parcel = memory::make_parcel(std::max(bytes, encoder_.size()), 0, handles);
  const std::uint32_t current = slot_.which.load(std::memory_order_relaxed);
  encoder_.move_to(parcel->payload());
  slot_.results[1 - current].store(memory::name_of(parcel), std::memory_order_release);
  memory::publish(parcel);
  slot_.which.store(1 - current, std::memory_order_release);
  if (const std::uint64_t former = slot_.results[current].load(); former != 0) {
    queues::reclaim(former);
    slot_.results[current].store(0, std::memory_order_release);
  }
}

}  // namespace multiprocessing::pool
