// SPDX-License-Identifier: BSL-1.0
// Boost.Interprocess's segment over the arena, with a memory algorithm that survives kills.
//
// Boost's own algorithms keep a tree under a lock, which a death in the middle breaks for all
// others. This one forwards to the BlockAllocator. The segment's named objects are not used.
#pragma once
#include <boost/interprocess/indexes/iset_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/mem_algo/detail/mem_algo_common.hpp>
#include <boost/interprocess/offset_ptr.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>
#include <cstddef>

#include "memory/block_allocator.hpp"

namespace multiprocessing::memory {

[[nodiscard]] BlockAllocator& blocks();

template <class MutexFamily, class VoidPointer> class OwnerWordAlgorithm {
 public:
  using mutex_family = MutexFamily;
  using void_pointer = VoidPointer;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using multiallocation_chain = boost::container::dtl::basic_multiallocation_chain<VoidPointer>;
  static constexpr size_type PayloadPerAllocation = 0;
  static constexpr size_type Alignment = 64;

  OwnerWordAlgorithm(size_type size, size_type) noexcept : size_(size) {}
  static constexpr size_type get_min_size(size_type extra) noexcept {
    return sizeof(OwnerWordAlgorithm) + extra;
  }

  void* allocate(size_type bytes) noexcept { return blocks().allocate(bytes, BlockKind::kPlain); }
  void deallocate(void* block) noexcept { blocks().deallocate(block); }
  size_type size(const void* block) const noexcept { return blocks().block_size(block); }
  size_type get_size() const noexcept { return size_; }

 private:
  size_type size_;
};

using Segment = boost::interprocess::basic_managed_external_buffer<
    char,
    OwnerWordAlgorithm<boost::interprocess::null_mutex_family,
                       boost::interprocess::offset_ptr<void>>,
    boost::interprocess::iset_index>;

/// The arena's segment; made with the arena.
[[nodiscard]] Segment& segment();

}  // namespace multiprocessing::memory
