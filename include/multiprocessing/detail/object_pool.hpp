// SPDX-License-Identifier: BSL-1.0
// Memory for the small parts of Objects. They come and go by the thousand, of few sizes, which is
// more than the allocator keeps at hand for a thread.
//
// Threads: what one thread gives back, that thread takes again; each keeps at most 128 KiB of a
//          size, and gives them away at its end.
#pragma once
#include <cstddef>

namespace multiprocessing::detail {

/// THROWS: std::bad_alloc.
[[nodiscard]] void* take_from_pool(std::size_t bytes);
/// `bytes`: as they were asked for.
void give_to_pool(void* memory, std::size_t bytes) noexcept;

template <class T> struct PoolAllocator {
  using value_type = T;
  PoolAllocator() noexcept = default;
  template <class U> PoolAllocator(const PoolAllocator<U>&) noexcept {}
  [[nodiscard]] T* allocate(std::size_t n) {
    // The product cannot overflow: nobody asks for more than a vector's max_size().
    return static_cast<T*>(take_from_pool(n * sizeof(T)));
  }
  void deallocate(T* memory, std::size_t n) noexcept { give_to_pool(memory, n * sizeof(T)); }
  friend bool operator==(const PoolAllocator&, const PoolAllocator&) noexcept { return true; }
};

}  // namespace multiprocessing::detail
