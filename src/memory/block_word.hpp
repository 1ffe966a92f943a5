// SPDX-License-Identifier: BSL-1.0
// The words that say what a chunk is and who owns a block: everything the allocator knows.
//
// owner word := generation:24 kind:8 owner:32     owner 0: free; the generation counts allocations
// chunk word := role:2 … :
//     kFree  | 0 no memory, 1 memory of a freed chunk
//     kClass | class                    blocks of one size
//     kClass | kBare | class            the same without memory for the blocks, all of which are
//                                       owned by somebody; its head stays as it is
//     kClass | kChanging | serial << 16 | class   one becomes the other, by that process
//     kPart  | serial                   being made or taken apart by that process, or behind the
//                                       first chunk of a run that it made; it may have ended since
//     kRun   | length << 32             first chunk of a block of whole chunks
#pragma once
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "memory/arena.hpp"
#include "memory/layout.hpp"

namespace multiprocessing::memory {

using OwnerWord = std::atomic<std::uint64_t>;

constexpr std::uint64_t owner_value(std::uint64_t generation, BlockKind kind, Serial owner) {
  return generation << 40 | static_cast<std::uint64_t>(kind) << 32 | owner;
}
constexpr Serial owner_in(std::uint64_t value) { return static_cast<Serial>(value); }
constexpr BlockKind kind_in(std::uint64_t value) {
  return static_cast<BlockKind>(value >> 32 & 0xff);
}
constexpr std::uint64_t generation_in(std::uint64_t value) { return value >> 40; }
constexpr std::uint64_t with_owner(std::uint64_t value, Serial owner) {
  return (value & ~std::uint64_t{0xffff'ffff}) | owner;
}

enum class Role : std::uint64_t { kFree = 0, kClass = 1, kPart = 2, kRun = 3 };
constexpr std::uint64_t chunk_value(Role role, std::uint64_t rest) {
  return static_cast<std::uint64_t>(role) << 62 | rest;
}
constexpr Role role_in(std::uint64_t value) { return static_cast<Role>(value >> 62); }
constexpr std::uint64_t kNoMemory = chunk_value(Role::kFree, 0);
constexpr std::uint64_t kCached = chunk_value(Role::kFree, 1);
constexpr std::uint64_t kBare = 1 << 8;
constexpr std::uint64_t kChanging = 1 << 9;
constexpr std::size_t class_in(std::uint64_t value) { return value & 0xff; }
constexpr bool has_blocks(std::uint64_t value) {
  return role_in(value) == Role::kClass && (value & (kBare | kChanging)) == 0;
}
constexpr std::uint64_t changing_value(std::size_t k, Serial serial) {
  return chunk_value(Role::kClass, std::uint64_t{serial} << 16 | kChanging | k);
}
constexpr Serial changer_in(std::uint64_t value) { return static_cast<Serial>(value >> 16); }
constexpr std::uint64_t run_length(std::uint64_t value) { return value >> 32 & 0x3fff'ffff; }

/// At the start of a class chunk, followed by the owner words of its blocks.
struct ClassHead {
  std::atomic<std::uint32_t> hint;  ///< where to look first: freed or taken last
  std::atomic<std::uint16_t> full;  ///< a look found nothing and nothing was freed since
  std::atomic<std::uint16_t> idle;  ///< counted in Control::idle_chunks
  OwnerWord owners[1];
};

constexpr std::size_t align_up(std::size_t bytes, std::size_t to) {
  return (bytes + to - 1) / to * to;
}

/// 64, 128, 192, 256, 384, 512 …: powers of two and the numbers half-way between.
constexpr std::size_t class_bytes(std::size_t index) {
  if (index == 0) return 64;
  const std::size_t power = std::size_t{128} << (index - 1) / 2;
  return index % 2 == 1 ? power : power / 2 * 3;
}
constexpr std::size_t class_of(std::size_t bytes) {
  if (bytes <= 64) return 0;
  const auto log = static_cast<std::size_t>(std::bit_width(bytes - 1));  // 2^log >= bytes
  const std::size_t power_class = (log - 7) * 2 + 1;
  return power_class >= 2 && bytes <= class_bytes(power_class - 1) ? power_class - 1 : power_class;
}
constexpr std::size_t kMaxClassBytes = class_bytes(kClasses - 1);

struct ClassLayout {
  std::uint32_t blocks;
  std::uint32_t first_at;
};
constexpr std::array<ClassLayout, kClasses> kClassLayouts = [] {
  std::array<ClassLayout, kClasses> layouts{};
  for (std::size_t k = 0; k < kClasses; ++k) {
    std::size_t count = (kChunkBytes - 64) / (class_bytes(k) + sizeof(OwnerWord));
    const auto first = [&] { return align_up(8 + count * sizeof(OwnerWord), 64); };
    while (first() + count * class_bytes(k) > kChunkBytes) --count;
    layouts[k] = {static_cast<std::uint32_t>(count), static_cast<std::uint32_t>(first())};
  }
  return layouts;
}();
static_assert(kMaxClassBytes == std::size_t{384} * 1024 && kClassLayouts[kClasses - 1].blocks == 2);
static_assert(class_of(64) == 0 && class_of(65) == 1 && class_of(129) == 2 && class_of(193) == 3);
static_assert(class_of(257) == 4 && class_of(385) == 5 && class_of(kMaxClassBytes) == kClasses - 1);

}  // namespace multiprocessing::memory
