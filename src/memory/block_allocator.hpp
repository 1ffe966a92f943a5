// SPDX-License-Identifier: BSL-1.0
// The allocator behind the segment: blocks taken and freed by one compare-exchange.
//
// Death: at any instruction. A block half-way taken or freed is either free or carries the dead
// process's serial; chunks likewise. There is no lock and no list that a death could break.
//
// A chunk of small blocks keeps their size, and its head: who looked for a free block and was
// stopped may go on at any time. Memory that nobody uses is taken from its blocks while one process
// owns them all, and until they have memory again nobody finds a free one.
#pragma once
#include <cstddef>
#include <cstdint>

#include "memory/block_word.hpp"

namespace multiprocessing::memory {

/// What a new block holds.
enum class Contents : bool { kAny, kZero };

class BlockAllocator {
 public:
  explicit BlockAllocator(const Mapping& arena) noexcept : arena_(arena) {}

  /// Null when the limit is reached or the system has no more memory.
  void* allocate(std::size_t bytes, BlockKind kind, Contents contents = Contents::kAny) noexcept;
  /// REQUIRES: owned by this process.
  void deallocate(void* block) noexcept;
  /// The same of a dead process's plain block, whose owner word a sweep has made `word`. It may
  /// come so late that the block has lost its memory meanwhile, and even has it again.
  void deallocate_swept(void* block, std::uint64_t word) noexcept;

  [[nodiscard]] OwnerWord& owner_word(const void* block) const noexcept;
  [[nodiscard]] std::size_t block_size(const void* block) const noexcept;

  /// The block that begins at the address if one does and it isn't free, else null.
  [[nodiscard]] OwnerWord* owner_word_of_live(const void* block) const noexcept;

  /// Calls visit(context, block, owner word) for every block that isn't free, and gives back the
  /// chunks that dead processes were making or taking apart; says how many of these.
  std::size_t for_each(void (*visit)(void*, void*, OwnerWord&), void* context) noexcept;

  [[nodiscard]] std::size_t chunks_with_memory() const noexcept;
  /// Gives the memory of all free chunks, and of blocks of 1 KiB and more in chunks whose blocks
  /// are all free, back to the system.
  void trim() noexcept;

 private:
  static constexpr std::size_t kNoChunk = SIZE_MAX;  // instead of a chunk's number
  // Freed memory that is kept warm instead of given back: of runs so much, and of blocks.
  static constexpr std::int64_t kCacheChunks = 256;

  [[nodiscard]] std::atomic<std::uint64_t>& chunk_word(std::size_t i) const noexcept;
  [[nodiscard]] OwnerWord& run_word(std::size_t i) const noexcept;
  [[nodiscard]] std::byte* chunk(std::size_t i) const noexcept;
  [[nodiscard]] ClassHead& head(std::size_t i) const noexcept;
  [[nodiscard]] std::size_t chunk_of(const void* block) const noexcept;

  void* take_block(std::size_t k, BlockKind kind) noexcept;
  void* take_free_block(std::size_t k, BlockKind kind) noexcept;
  void* take_from(std::size_t i, std::size_t k, BlockKind kind) noexcept;
  void* take_scan(std::size_t i, std::size_t k, BlockKind kind) noexcept;
  bool add_class_chunk(std::size_t k) noexcept;
  void free_block(std::size_t i, void* block, std::uint64_t word) noexcept;
  bool take_all_blocks(std::size_t i, std::size_t k) noexcept;
  void free_blocks(std::size_t i, std::size_t count) noexcept;
  void for_each_block(std::size_t i, std::size_t k, void (*visit)(void*, void*, OwnerWord&),
                      void* context) noexcept;
  void note_idle(std::size_t i, std::size_t k) noexcept;
  void strip(std::size_t i) noexcept;
  void strip_changing(std::size_t i, bool counted) noexcept;
  bool restore(std::size_t k) noexcept;
  void* take_run(std::size_t chunks, BlockKind kind, Contents contents) noexcept;
  void free_run(std::size_t first) noexcept;
  std::size_t find_run(std::size_t chunks, std::size_t from, std::size_t end,
                       Contents contents) noexcept;
  [[nodiscard]] bool fill_with_memory(std::size_t from, std::size_t to) const noexcept;
  bool give_memory(std::size_t first, std::size_t count, std::size_t without,
                   Contents contents) noexcept;
  void drop_memory(std::size_t first, std::size_t count) noexcept;
  void drop_bytes(std::size_t from, std::size_t to) noexcept;
  bool reserve(std::size_t chunks) noexcept;
  bool take_within_limit(std::size_t chunks) noexcept;
  /// `parts_without`: of this process, with no memory yet.
  void count_anew(std::size_t parts_without) noexcept;
  void count_one_less() noexcept;
  void release_chunk(std::size_t i, bool keep_memory) noexcept;
  void raise_high(std::size_t i) noexcept;
  [[nodiscard]] std::size_t end_of_run_over(std::size_t i) const noexcept;

  const Mapping& arena_;
};

}  // namespace multiprocessing::memory
