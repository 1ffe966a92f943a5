// SPDX-License-Identifier: BSL-1.0
#include "memory/block_allocator.hpp"

#include <fcntl.h>
#include <linux/falloc.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>

namespace multiprocessing::memory {
namespace {

std::uint64_t part_of(Serial serial) { return chunk_value(Role::kPart, serial); }

// taken_chunks := how often any were taken:32 how many are:32
constexpr std::uint64_t kTaking = std::uint64_t{1} << 32;
constexpr std::uint64_t taken_in(std::uint64_t value) noexcept { return value % kTaking; }

}  // namespace

std::atomic<std::uint64_t>& BlockAllocator::chunk_word(std::size_t i) const noexcept {
  return reinterpret_cast<std::atomic<std::uint64_t>*>(arena_.base + kChunkWordsAt)[i];
}
OwnerWord& BlockAllocator::run_word(std::size_t i) const noexcept {
  return reinterpret_cast<OwnerWord*>(arena_.base + kRunWordsAt)[i];
}
std::byte* BlockAllocator::chunk(std::size_t i) const noexcept {
  return arena_.base + kChunksAt + i * kChunkBytes;
}
ClassHead& BlockAllocator::head(std::size_t i) const noexcept {
  return *reinterpret_cast<ClassHead*>(chunk(i));
}
std::size_t BlockAllocator::chunk_of(const void* block) const noexcept {
  return static_cast<std::size_t>(static_cast<const std::byte*>(block) - chunk(0)) / kChunkBytes;
}

OwnerWord& BlockAllocator::owner_word(const void* block) const noexcept {
  const std::size_t i = chunk_of(block);
  const std::uint64_t value = chunk_word(i).load(std::memory_order_acquire);
  if (role_in(value) != Role::kClass) return run_word(i);
  const std::size_t k = class_in(value);
  const auto at = static_cast<std::size_t>(static_cast<const std::byte*>(block) - chunk(i));
  return head(i).owners[(at - kClassLayouts[k].first_at) / class_bytes(k)];
}

OwnerWord* BlockAllocator::owner_word_of_live(const void* block) const noexcept {
  const std::size_t i = chunk_of(block);
  if (i >= arena_.chunks) return nullptr;
  const std::uint64_t value = chunk_word(i).load(std::memory_order_acquire);
  const auto at = static_cast<std::size_t>(static_cast<const std::byte*>(block) - chunk(i));
  OwnerWord* word = nullptr;
  if (role_in(value) == Role::kRun && at == 0) {
    word = &run_word(i);
  } else if (has_blocks(value)) {
    const std::size_t k = class_in(value);
    const ClassLayout& layout = kClassLayouts[k];
    if (at < layout.first_at || (at - layout.first_at) % class_bytes(k) != 0) return nullptr;
    const std::size_t index = (at - layout.first_at) / class_bytes(k);
    if (index >= layout.blocks) return nullptr;
    word = &head(i).owners[index];
  }
  return word != nullptr && owner_in(word->load(std::memory_order_acquire)) != kNobody ? word
                                                                                       : nullptr;
}

std::size_t BlockAllocator::block_size(const void* block) const noexcept {
  const std::uint64_t value = chunk_word(chunk_of(block)).load(std::memory_order_acquire);
  return role_in(value) == Role::kClass ? class_bytes(class_in(value))
                                        : run_length(value) * kChunkBytes;
}

void* BlockAllocator::allocate(std::size_t bytes, BlockKind kind, Contents contents) noexcept {
  self();  // before any owner word is written
  if (bytes <= kMaxClassBytes) {
    std::size_t k = class_of(bytes);
    void* block = take_block(k, kind);
    // Where there is no chunk for more of its size, a larger one that is free does as well: chunks
    // stay what they were made for.
    while (block == nullptr && ++k < kClasses) block = take_free_block(k, kind);
    if (block != nullptr && contents == Contents::kZero) std::memset(block, 0, bytes);
    return block;
  }
  if (bytes > arena_.chunks * kChunkBytes) return nullptr;
  return take_run((bytes + kChunkBytes - 1) / kChunkBytes, kind, contents);
}

void BlockAllocator::deallocate(void* block) noexcept {
  const std::size_t i = chunk_of(block);
  if (role_in(chunk_word(i).load(std::memory_order_acquire)) == Role::kRun) {
    free_run(i);
  } else {
    const std::uint64_t word = owner_word(block).load(std::memory_order_relaxed);
    assert(owner_in(word) == self());
    free_block(i, block, word);
  }
}

void BlockAllocator::deallocate_swept(void* block, std::uint64_t word) noexcept {
  const std::size_t i = chunk_of(block);
  const std::uint64_t value = chunk_word(i).load(std::memory_order_acquire);
  if (role_in(value) == Role::kRun) {
    free_run(i);
  } else if (has_blocks(value)) {
    free_block(i, block, word);
  }
}

void* BlockAllocator::take_run(std::size_t chunks, BlockKind kind, Contents contents) noexcept {
  Control& control = arena_.control();
  // Where a run was freed last there is warm memory of about the size that is asked for again.
  const std::size_t hint = control.run_hint.load(std::memory_order_relaxed);
  std::size_t first = kNoChunk;
  if (hint != 0) first = find_run(chunks, hint, std::min(hint + chunks, arena_.chunks), contents);
  if (first == kNoChunk) first = find_run(chunks, 0, arena_.chunks, contents);
  if (first == kNoChunk) return nullptr;
  const std::uint64_t old = run_word(first).load();
  run_word(first).store(owner_value((generation_in(old) + 1) & 0xff'ffff, kind, self()));
  chunk_word(first).store(chunk_value(Role::kRun, static_cast<std::uint64_t>(chunks) << 32));
  return chunk(first);
}

// The head must not cover a chunk that is free again, so every chunk first becomes this process's
// own; a death on the way leaves parts that a sweep gives back one by one.
void BlockAllocator::free_run(std::size_t first) noexcept {
  const std::size_t count = run_length(chunk_word(first).load());
  const std::uint64_t part = part_of(self());
  for (std::size_t i = 1; i < count; ++i) chunk_word(first + i).store(part);
  chunk_word(first).store(part);
  const std::uint64_t old = run_word(first).load();
  run_word(first).store(owner_value(generation_in(old), BlockKind::kPlain, kNobody));
  Control& control = arena_.control();
  const bool keep = control.cached_chunks.load() + static_cast<std::int64_t>(count) <= kCacheChunks;
  if (!keep) drop_memory(first, count);
  for (std::size_t i = count; i-- > 0;) release_chunk(first + i, keep);
  control.run_hint.store(static_cast<std::uint32_t>(first), std::memory_order_relaxed);
}

// Takes `chunks` free neighbours as parts of this process and gives them memory.
std::size_t BlockAllocator::find_run(std::size_t chunks, std::size_t from, std::size_t end,
                                     Contents contents) noexcept {
  const std::uint64_t part = part_of(self());
  for (std::size_t first = from; first + chunks <= end;) {
    std::size_t got = 0;
    std::size_t without = 0;
    for (; got < chunks; ++got) {
      std::uint64_t value = chunk_word(first + got).load(std::memory_order_relaxed);
      if (value != kNoMemory && value != kCached) break;
      raise_high(first + got);
      if (!chunk_word(first + got).compare_exchange_strong(value, part)) break;
      if (value == kNoMemory) {
        ++without;
        // Marked by the run word, which nobody reads while the chunk is a part.
        run_word(first + got).fetch_or(1);
      } else {
        arena_.control().cached_chunks.fetch_sub(1);
      }
    }
    if (got == chunks) return give_memory(first, chunks, without, contents) ? first : kNoChunk;
    const std::size_t blocked = first + got;
    while (got-- > 0) {
      const bool had = (run_word(first + got).fetch_and(~std::uint64_t{0xffff'ffff}) & 1) == 0;
      if (had) {
        arena_.control().cached_chunks.fetch_add(1);
        chunk_word(first + got).store(kCached);
      } else {
        chunk_word(first + got).store(kNoMemory);
      }
    }
    first = blocked + 1;
  }
  return kNoChunk;
}

// Memory that is reserved here cannot be missing at the first touch, which would be a SIGBUS. From
// and to are counted from the first chunk on, here and below.
bool BlockAllocator::fill_with_memory(std::size_t from, std::size_t to) const noexcept {
  int result = 0;
  do {
    result = ::fallocate(arena_.descriptor, 0, static_cast<off_t>(kChunksAt + from),
                         static_cast<off_t>(to - from));
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

bool BlockAllocator::give_memory(std::size_t first, std::size_t count, std::size_t without,
                                 Contents contents) noexcept {
  bool given = true;
  if (without != 0) {
    given = reserve(without);
    if (given) {
      given = fill_with_memory(first * kChunkBytes, (first + count) * kChunkBytes);
      if (!given) arena_.control().taken_chunks.fetch_sub(without);
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    const bool had = (run_word(first + i).fetch_and(~std::uint64_t{0xffff'ffff}) & 1) == 0;
    if (given) {
      // New memory is zero, and a first touch of all of it would take longer than giving it.
      if (had && contents == Contents::kZero) std::memset(chunk(first + i), 0, kChunkBytes);
      continue;
    }
    if (had) {
      release_chunk(first + i, true);
    } else {
      drop_memory(first + i, 1);
      chunk_word(first + i).store(kNoMemory);
    }
  }
  return given;
}

// What has no memory reads zero; so it must be zero when it is given memory again.
void BlockAllocator::drop_memory(std::size_t first, std::size_t count) noexcept {
  drop_bytes(first * kChunkBytes, (first + count) * kChunkBytes);
}

void BlockAllocator::drop_bytes(std::size_t from, std::size_t to) noexcept {
  if (::fallocate(arena_.descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                  static_cast<off_t>(kChunksAt + from), static_cast<off_t>(to - from)) != 0) {
    std::memset(chunk(0) + from, 0, to - from);
  }
}

bool BlockAllocator::reserve(std::size_t chunks) noexcept {
  if (take_within_limit(chunks)) return true;
  trim();
  count_anew(chunks);
  return take_within_limit(chunks);
}

bool BlockAllocator::take_within_limit(std::size_t chunks) noexcept {
  Control& control = arena_.control();
  const std::uint64_t before = control.taken_chunks.fetch_add(kTaking + chunks);
  if (taken_in(before) + chunks <= control.limit_chunks) return true;
  control.taken_chunks.fetch_sub(chunks);
  return false;
}

// The count runs high when a process dies between the count and the chunk. What others take while
// this counts is perhaps not in what it found; then it counts again.
void BlockAllocator::count_anew(std::size_t parts_without) noexcept {
  std::atomic<std::uint64_t>& taken = arena_.control().taken_chunks;
  for (;;) {
    std::uint64_t before = taken.load();
    const std::uint64_t exact = chunks_with_memory() - parts_without;
    if (taken.compare_exchange_strong(before, before - taken_in(before) + exact)) return;
  }
}

void BlockAllocator::release_chunk(std::size_t i, bool keep_memory) noexcept {
  Control& control = arena_.control();
  if (keep_memory) {
    control.cached_chunks.fetch_add(1);
    chunk_word(i).store(kCached, std::memory_order_release);
    return;
  }
  count_one_less();
  chunk_word(i).store(kNoMemory, std::memory_order_release);
}

void BlockAllocator::count_one_less() noexcept {
  std::atomic<std::uint64_t>& taken = arena_.control().taken_chunks;
  std::uint64_t seen = taken.load();
  while (taken_in(seen) != 0 && !taken.compare_exchange_weak(seen, seen - 1)) {
  }
}

void BlockAllocator::raise_high(std::size_t i) noexcept {
  std::atomic<std::uint32_t>& high = arena_.control().high_chunk;
  const auto wanted = static_cast<std::uint32_t>(i + 1);
  std::uint32_t seen = high.load();
  while (seen < wanted && !high.compare_exchange_weak(seen, wanted)) {
  }
}

std::size_t BlockAllocator::chunks_with_memory() const noexcept {
  const std::size_t high = arena_.control().high_chunk.load();
  std::size_t count = 0;
  for (std::size_t i = 0; i < high;) {
    const std::uint64_t value = chunk_word(i).load();
    const std::size_t length = role_in(value) == Role::kRun ? run_length(value) : 1;
    const bool bare = role_in(value) == Role::kClass && (value & kBare) != 0;
    if (value != kNoMemory && !bare) count += length;
    i += length;
  }
  return count;
}

void BlockAllocator::trim() noexcept {
  Control& control = arena_.control();
  const std::size_t high = control.high_chunk.load();
  const std::uint64_t part = part_of(self());
  for (std::size_t i = 0; i < high; ++i) {
    std::uint64_t value = chunk_word(i).load();
    if (has_blocks(value)) strip(i);
    if (value != kCached || !chunk_word(i).compare_exchange_strong(value, part)) continue;
    drop_memory(i, 1);
    release_chunk(i, false);
  }
  control.cached_chunks.store(0);
}

// Where the run ends that covers the chunk, or `i` if none does. What a run has behind its head
// stays the part of its maker, who may have ended since.
// REQUIRES: the chunk's word reads as a part of a process that is dead. Only that process could put
// a head over it, and who frees the run changes the word before the head: if it still reads so
// after this, there was a head all the time or none.
std::size_t BlockAllocator::end_of_run_over(std::size_t i) const noexcept {
  for (std::size_t j = i; j-- > 0;) {
    const std::uint64_t value = chunk_word(j).load();
    if (role_in(value) == Role::kPart) continue;
    const std::size_t end = role_in(value) == Role::kRun ? j + run_length(value) : i;
    return std::max(end, i);
  }
  return i;
}

std::size_t BlockAllocator::for_each(void (*visit)(void*, void*, OwnerWord&),
                                     void* context) noexcept {
  const std::size_t high = arena_.control().high_chunk.load();
  std::size_t given_back = 0;
  for (std::size_t i = 0; i < high;) {
    std::uint64_t value = chunk_word(i).load(std::memory_order_acquire);
    std::size_t length = 1;
    if (role_in(value) == Role::kPart) {
      // A run that was made since this walk saw its first chunk is left alone.
      const std::size_t end = dead(static_cast<Serial>(value)) ? end_of_run_over(i) : i + 1;
      if (end != i) {
        length = end - i;
      } else if (chunk_word(i).compare_exchange_strong(value, part_of(self()))) {
        run_word(i).fetch_and(~std::uint64_t{0xffff'ffff});
        drop_memory(i, 1);
        // Whether it had been counted is unknown: the count runs high until reserve() counts anew.
        chunk_word(i).store(kNoMemory, std::memory_order_release);
        ++given_back;
      }
    } else if (role_in(value) == Role::kRun) {
      length = run_length(value);
      if (owner_in(run_word(i).load()) != kNobody) visit(context, chunk(i), run_word(i));
    } else if (has_blocks(value)) {
      for_each_block(i, class_in(value), visit, context);
    } else if (role_in(value) == Role::kClass && (value & kChanging) != 0) {
      const std::uint64_t mine = changing_value(class_in(value), self());
      if (dead(changer_in(value)) && chunk_word(i).compare_exchange_strong(value, mine)) {
        strip_changing(i, false);
        ++given_back;
      }
    }
    i += length;
  }
  return given_back;
}

}  // namespace multiprocessing::memory
