// SPDX-License-Identifier: BSL-1.0
// The BlockAllocator's chunks of blocks of one size.
#include <cstring>

#include "memory/block_allocator.hpp"

namespace multiprocessing::memory {
namespace {

constexpr std::size_t kPageBytes = 4096;
// A chunk of more blocks, each less than 1 KiB, keeps its memory: to look through them takes time,
// and what they are makes little.
constexpr std::uint32_t kFewBlocks = 1024;

// The owner word of a free block when this process takes it.
std::uint64_t taken_from(std::uint64_t old, BlockKind kind = BlockKind::kPlain) {
  return owner_value((generation_in(old) + 1) & 0xff'ffff, kind, self());
}

// Where the memory of the blocks alone begins, in a chunk.
constexpr std::size_t body_at(std::size_t k) {
  return align_up(kClassLayouts[k].first_at, kPageBytes);
}

}  // namespace

void* BlockAllocator::take_block(std::size_t k, BlockKind kind) noexcept {
  do {
    if (void* block = take_free_block(k, kind)) return block;
  } while (add_class_chunk(k));
  return nullptr;
}

void* BlockAllocator::take_free_block(std::size_t k, BlockKind kind) noexcept {
  Control& control = arena_.control();
  const std::uint64_t wanted = chunk_value(Role::kClass, k);
  const std::size_t high = control.high_chunk.load(std::memory_order_acquire);
  const std::size_t hint = control.class_hint[k].load(std::memory_order_relaxed);
  for (std::size_t n = 0; n < high; ++n) {
    const std::size_t i = hint + n < high ? hint + n : hint + n - high;
    if (i >= high || chunk_word(i).load(std::memory_order_acquire) != wanted) continue;
    if (head(i).full.load(std::memory_order_relaxed) != 0) continue;
    if (void* block = take_from(i, k, kind)) {
      if (n != 0) {
        control.class_hint[k].store(static_cast<std::uint32_t>(i), std::memory_order_relaxed);
      }
      return block;
    }
  }
  return nullptr;
}

void* BlockAllocator::take_from(std::size_t i, std::size_t k, BlockKind kind) noexcept {
  if (void* block = take_scan(i, k, kind)) return block;
  // A block freed between the look and the mark would be forgotten: look once more behind it.
  head(i).full.store(1);
  void* block = take_scan(i, k, kind);
  if (block != nullptr) head(i).full.store(0);
  return block;
}

void* BlockAllocator::take_scan(std::size_t i, std::size_t k, BlockKind kind) noexcept {
  ClassHead& h = head(i);
  const ClassLayout& layout = kClassLayouts[k];
  std::uint32_t index = h.hint.load(std::memory_order_relaxed);
  for (std::uint32_t n = 0; n < layout.blocks; ++n, ++index) {
    if (index >= layout.blocks) index = 0;
    std::uint64_t old = h.owners[index].load();
    if (owner_in(old) != kNobody) continue;
    if (!h.owners[index].compare_exchange_strong(old, taken_from(old, kind))) continue;
    h.hint.store(index + 1, std::memory_order_relaxed);
    if (h.idle.load(std::memory_order_relaxed) != 0 && h.idle.exchange(0) != 0) {
      arena_.control().idle_chunks.fetch_sub(1);
    }
    return chunk(i) + layout.first_at + index * class_bytes(k);
  }
  return nullptr;
}

bool BlockAllocator::add_class_chunk(std::size_t k) noexcept {
  if (restore(k)) return true;
  const std::size_t i = find_run(1, 0, arena_.chunks, Contents::kAny);
  if (i == kNoChunk) return false;
  // Memory that was used before holds anything: the owner words must read "free".
  std::memset(chunk(i), 0, kClassLayouts[k].first_at);
  chunk_word(i).store(chunk_value(Role::kClass, k), std::memory_order_release);
  arena_.control().class_hint[k].store(static_cast<std::uint32_t>(i), std::memory_order_relaxed);
  return true;
}

// Nothing if the owner word is another by now.
void BlockAllocator::free_block(std::size_t i, void* block, std::uint64_t word) noexcept {
  const std::size_t k = class_in(chunk_word(i).load(std::memory_order_relaxed));
  const auto at = static_cast<std::size_t>(static_cast<std::byte*>(block) - chunk(i));
  const std::size_t index = (at - kClassLayouts[k].first_at) / class_bytes(k);
  ClassHead& h = head(i);
  // The last one freed is the next one taken: its memory is warm.
  h.hint.store(static_cast<std::uint32_t>(index), std::memory_order_relaxed);
  const std::uint64_t free = owner_value(generation_in(word), BlockKind::kPlain, kNobody);
  if (!h.owners[index].compare_exchange_strong(word, free)) return;
  if (h.full.load() != 0) h.full.store(0);
  // Where blocks are taken from next, the chunk will not stay empty.
  if (i != arena_.control().class_hint[k].load(std::memory_order_relaxed)) note_idle(i, k);
}

// A death in here leaves blocks of a dead process, as any others.
bool BlockAllocator::take_all_blocks(std::size_t i, std::size_t k) noexcept {
  ClassHead& h = head(i);
  const std::uint32_t count = kClassLayouts[k].blocks;
  for (std::uint32_t b = 0; b < count; ++b) {
    if (owner_in(h.owners[b].load(std::memory_order_relaxed)) != kNobody) return false;
  }
  for (std::uint32_t b = 0; b < count; ++b) {
    std::uint64_t old = h.owners[b].load();
    if (owner_in(old) == kNobody && h.owners[b].compare_exchange_strong(old, taken_from(old)))
      continue;
    free_blocks(i, b);
    return false;
  }
  return true;
}

// The first `count` of a chunk, all of this process.
void BlockAllocator::free_blocks(std::size_t i, std::size_t count) noexcept {
  ClassHead& h = head(i);
  for (std::size_t b = 0; b < count; ++b) {
    const std::uint64_t old = h.owners[b].load(std::memory_order_relaxed);
    h.owners[b].store(owner_value(generation_in(old), BlockKind::kPlain, kNobody));
  }
  // Behind the blocks: somebody may have found none of them.
  h.full.store(0);
}

void BlockAllocator::for_each_block(std::size_t i, std::size_t k,
                                    void (*visit)(void*, void*, OwnerWord&),
                                    void* context) noexcept {
  ClassHead& h = head(i);
  bool some_free = false;
  for (std::uint32_t b = 0; b < kClassLayouts[k].blocks; ++b) {
    OwnerWord& word = h.owners[b];
    if (owner_in(word.load(std::memory_order_acquire)) == kNobody) {
      some_free = true;
    } else {
      visit(context, chunk(i) + kClassLayouts[k].first_at + b * class_bytes(k), word);
    }
  }
  // Who freed a block may have been killed before it took the mark away, and without it the worst
  // is a look in vain.
  if (some_free && h.full.load() != 0) h.full.store(0);
}

// Called when a block was freed. Of a chunk that others use the first look ends it.
void BlockAllocator::note_idle(std::size_t i, std::size_t k) noexcept {
  ClassHead& h = head(i);
  const std::uint32_t count = kClassLayouts[k].blocks;
  if (count > kFewBlocks || h.idle.load(std::memory_order_relaxed) != 0) return;
  // From the one behind the freed one on: blocks are freed in the order in which they were taken.
  std::uint32_t index = h.hint.load(std::memory_order_relaxed);
  for (std::uint32_t n = 0; n < count; ++n, ++index) {
    if (index >= count) index = 0;
    if (owner_in(h.owners[index].load()) != kNobody) return;
  }
  std::atomic<std::int64_t>& idle_chunks = arena_.control().idle_chunks;
  if (idle_chunks.load() >= kCacheChunks) {
    strip(i);
  } else if (h.idle.exchange(1) == 0) {
    idle_chunks.fetch_add(1);
  }
}

// Gives the memory of blocks that are all free back to the system.
void BlockAllocator::strip(std::size_t i) noexcept {
  const std::uint64_t value = chunk_word(i).load();
  const std::size_t k = class_in(value);
  if (!has_blocks(value) || kClassLayouts[k].blocks > kFewBlocks) return;
  if (!take_all_blocks(i, k)) return;
  chunk_word(i).store(changing_value(k, self()));
  if (head(i).idle.exchange(0) != 0) arena_.control().idle_chunks.fetch_sub(1);
  strip_changing(i, true);
}

// REQUIRES: it changes, by this process.
void BlockAllocator::strip_changing(std::size_t i, bool counted) noexcept {
  const std::size_t k = class_in(chunk_word(i).load());
  drop_bytes(i * kChunkBytes + body_at(k), (i + 1) * kChunkBytes);
  if (counted) count_one_less();
  chunk_word(i).store(chunk_value(Role::kClass, kBare | k), std::memory_order_release);
}

// Gives the blocks of a chunk that has none their memory again. They are this process's until the
// chunk is in use, for what is free is taken by whoever sees it.
bool BlockAllocator::restore(std::size_t k) noexcept {
  const std::size_t high = arena_.control().high_chunk.load(std::memory_order_acquire);
  std::size_t i = 0;
  for (; i < high; ++i) {
    std::uint64_t bare = chunk_value(Role::kClass, kBare | k);
    if (chunk_word(i).load(std::memory_order_relaxed) != bare) continue;
    if (chunk_word(i).compare_exchange_strong(bare, changing_value(k, self()))) break;
  }
  if (i == high) return false;
  const bool counted = reserve(1);
  if (!counted || !fill_with_memory(i * kChunkBytes + body_at(k), (i + 1) * kChunkBytes)) {
    strip_changing(i, counted);
    return false;
  }
  ClassHead& h = head(i);
  const std::uint32_t count = kClassLayouts[k].blocks;
  for (std::uint32_t b = 0; b < count; ++b) {
    // Anew, and so not what a sweep that is late took from a dead owner.
    h.owners[b].store(taken_from(h.owners[b].load(std::memory_order_relaxed)));
  }
  chunk_word(i).store(chunk_value(Role::kClass, k), std::memory_order_release);
  free_blocks(i, count);
  h.hint.store(0, std::memory_order_relaxed);
  arena_.control().class_hint[k].store(static_cast<std::uint32_t>(i), std::memory_order_relaxed);
  return true;
}

}  // namespace multiprocessing::memory
