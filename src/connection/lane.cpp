// SPDX-License-Identifier: BSL-1.0
#include "connection/lane.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace multiprocessing::connection {
namespace {

constexpr std::size_t kLaneBytes = sizeof(Lane) + Lane::kCapacity;
static_assert(kLaneBytes <= std::size_t{64} * 1024, "one block of the arena");
static_assert(Lane::frame_bytes(Lane::kBodyBytes) * 3 < Lane::kCapacity);

void copy_in(std::span<std::byte> first, std::span<std::byte> second,
             std::span<const std::byte> from) noexcept {
  if (!first.empty()) std::memcpy(first.data(), from.data(), first.size());
  if (!second.empty()) std::memcpy(second.data(), from.data() + first.size(), second.size());
}

}  // namespace

memory::Handle Lane::make() {
  return memory::create_object(
      kKind, kLaneBytes, sizeof(Lane), [](void* where, void*) { ::new (where) Lane(); }, nullptr);
}

bool Lane::has_room(std::size_t frame) noexcept {
  const std::uint64_t tail = sending.tail.load(std::memory_order_relaxed);
  const auto used = [&] { return tail - sending.head_seen.load(std::memory_order_relaxed); };
  if (kCapacity - used() >= frame) return true;
  sending.head_seen.store(receiving.head.load(std::memory_order_acquire),
                          std::memory_order_relaxed);
  return kCapacity - used() >= frame;
}

Lane::Window Lane::window(std::uint64_t at, std::size_t bytes) const noexcept {
  auto* data = reinterpret_cast<std::byte*>(const_cast<Lane*>(this) + 1);
  const auto begin = static_cast<std::size_t>(at % kCapacity);
  const std::size_t first = std::min(bytes, kCapacity - begin);
  return {{data + begin, first}, {data, bytes - first}};
}

void Lane::append(const PacketHeader& header, std::span<const std::byte> body) noexcept {
  const std::uint64_t tail = sending.tail.load(std::memory_order_relaxed);
  const auto [a, b] = window(tail, sizeof header);
  copy_in(a, b, std::as_bytes(std::span(&header, 1)));
  const auto [c, d] = window(tail + sizeof header, body.size());
  copy_in(c, d, body);
  sending.tail.store(tail + frame_bytes(body.size()), std::memory_order_release);
}

bool Lane::has_frame() noexcept {
  const std::uint64_t head = receiving.head.load(std::memory_order_relaxed);
  if (head != receiving.tail_seen.load(std::memory_order_relaxed)) return true;
  receiving.tail_seen.store(sending.tail.load(std::memory_order_acquire),
                            std::memory_order_relaxed);
  return head != receiving.tail_seen.load(std::memory_order_relaxed);
}

PacketHeader Lane::front() const noexcept {
  PacketHeader header;
  const auto [a, b] = window(receiving.head.load(std::memory_order_relaxed), sizeof header);
  std::memcpy(&header, a.data(), a.size());
  std::memcpy(reinterpret_cast<std::byte*>(&header) + a.size(), b.data(), b.size());
  return header;
}

void Lane::copy_body(std::span<std::byte> into) const noexcept {
  const std::uint64_t head = receiving.head.load(std::memory_order_relaxed);
  const auto [a, b] = window(head + sizeof(PacketHeader), into.size());
  if (!a.empty()) std::memcpy(into.data(), a.data(), a.size());
  if (!b.empty()) std::memcpy(into.data() + a.size(), b.data(), b.size());
}

void Lane::pop(std::size_t frame) noexcept {
  const std::uint64_t head = receiving.head.load(std::memory_order_relaxed);
  receiving.head.store(head + frame, std::memory_order_release);
}

}  // namespace multiprocessing::connection
