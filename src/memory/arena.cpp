// SPDX-License-Identifier: BSL-1.0
#include "memory/arena.hpp"

#include <cassert>
#include <cstring>
#include <multiprocessing/errors.hpp>
#include <string>

#include "memory/object_life.hpp"
#include "memory/segment.hpp"
#include "memory/sweep.hpp"
#include "os/first_use.hpp"

namespace multiprocessing::memory {
namespace {

[[noreturn]] void throw_out_of_memory(std::size_t bytes) {
  const Usage now = usage();
  throw MemoryError("shared memory is used up: " + std::to_string(bytes) +
                    " bytes were asked for, " + std::to_string(now.taken_bytes) +
                    " of the limit of " + std::to_string(now.limit_bytes) +
                    " bytes are taken; raise it by set_segment_limit or "
                    "MULTIPROCESSING_SEGMENT_LIMIT, or let go of what is not needed");
}

}  // namespace

BlockAllocator& blocks() {
  static constinit os::FirstUse<BlockAllocator> one;
  return one.get([] { return BlockAllocator(mapping()); });
}

Segment& segment() {
  static constinit os::FirstUse<Segment> one;
  return one.get([] {
    return Segment(boost::interprocess::create_only, mapping().base + kSegmentAt,
                   mapping().bytes - kSegmentAt);
  });
}

void* allocate_for_references(std::size_t bytes) {
  const auto take = [&] { return segment().allocate(bytes, std::nothrow); };
  void* block = take();
  if (block == nullptr) {
    sweep_blocks();
    block = take();
  }
  if (block == nullptr) throw_out_of_memory(bytes);
  return block;
}

void* allocate(std::size_t bytes, BlockKind kind, std::size_t zeroed) {
  const bool all_zeroed = kind == BlockKind::kObject && zeroed >= bytes;
  const auto take = [&] {
    return all_zeroed ? blocks().allocate(bytes, BlockKind::kPlain, Contents::kZero)
                      : segment().allocate(bytes, std::nothrow);
  };
  void* block = take();
  if (block == nullptr) {
    // What killed processes left behind may be enough, or what another process just had in hand to
    // give it back to the system.
    sweep();
    block = take();
    if (block == nullptr) throw_out_of_memory(bytes);
  }
  if (kind == BlockKind::kPlain) return block;
  if (kind == BlockKind::kParcel) std::memset(block, 0, 64);
  if (kind == BlockKind::kObject && !all_zeroed) std::memset(block, 0, zeroed);
  // Only now, when a sweep would find it well-formed.
  OwnerWord& word = blocks().owner_word(block);
  word.store(owner_value(generation_in(word.load()), kind, self()), std::memory_order_release);
  return block;
}

void deallocate(void* block) noexcept { blocks().deallocate(block); }

std::size_t block_size(const void* block) noexcept { return blocks().block_size(block); }

void publish(void* block) noexcept {
  OwnerWord& word = blocks().owner_word(block);
  assert(owner_in(word.load()) == self());
  word.store(with_owner(word.load(std::memory_order_relaxed), kShared));
}

bool claim(void* block) noexcept {
  OwnerWord* word = blocks().owner_word_of_live(block);
  if (word == nullptr) return false;
  std::uint64_t value = word->load();
  return owner_in(value) == kShared &&
         word->compare_exchange_strong(value, with_owner(value, self()));
}

Serial owner(const void* block) noexcept {
  const OwnerWord* word = blocks().owner_word_of_live(block);
  return word == nullptr ? kNobody : owner_in(word->load(std::memory_order_acquire));
}

Offset offset_of(const void* address) noexcept {
  return address == nullptr
             ? 0
             : static_cast<Offset>(static_cast<const std::byte*>(address) - mapping().base);
}

void* at(Offset offset) noexcept { return offset == 0 ? nullptr : mapping().base + offset; }

Usage usage() {
  Usage result{mapping().control().limit_chunks * kChunkBytes,
               blocks().chunks_with_memory() * kChunkBytes, 0};
  blocks().for_each([](void* count, void*, OwnerWord&) { ++*static_cast<std::size_t*>(count); },
                    &result.blocks);
  return result;
}

}  // namespace multiprocessing::memory
