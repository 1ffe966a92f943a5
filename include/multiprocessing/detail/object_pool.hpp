// SPDX-License-Identifier: BSL-1.0
// Memory for the small parts of Objects. They come and go by the thousand, of few sizes, which is
// more than the allocator keeps at hand for a thread.
//
// Threads: what one thread gives back, that thread takes again; each keeps at most 128 KiB of a
//          size, and gives them away at its end.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

namespace multiprocessing::detail {

/// What a thread keeps of one size.
struct ObjectPool {
  struct Free {
    Free* next;
  };
  static constexpr std::size_t kStep = 16;
  static constexpr std::size_t kPooledMax = 256;
  static constexpr std::size_t kSizes = kPooledMax / kStep;
  static std::size_t size_index(std::size_t bytes) noexcept { return (bytes - 1) / kStep; }

  Free* first;
  std::uint32_t room;  // for how many more
};
// Without constructor and destructor: they are there as long as the thread runs anything at all.
inline constinit thread_local std::array<ObjectPool, ObjectPool::kSizes> object_pools{};

[[nodiscard]] void* take_new(std::size_t bytes);
void give_back(void* memory, std::size_t bytes) noexcept;

/// THROWS: std::bad_alloc.
[[nodiscard]] inline void* take_from_pool(std::size_t bytes) {
  if (const std::size_t i = ObjectPool::size_index(bytes); i < ObjectPool::kSizes) {
    ObjectPool& pool = object_pools[i];
    if (ObjectPool::Free* const first = pool.first; first != nullptr) [[likely]] {
      pool.first = first->next;
      ++pool.room;
      return first;
    }
  }
  return take_new(bytes);
}
/// `bytes`: as they were asked for.
inline void give_to_pool(void* memory, std::size_t bytes) noexcept {
  if (const std::size_t i = ObjectPool::size_index(bytes); i < ObjectPool::kSizes) {
    ObjectPool& pool = object_pools[i];
    if (pool.room != 0) [[likely]] {
      --pool.room;
      pool.first = ::new (memory) ObjectPool::Free{pool.first};
      return;
    }
  }
  give_back(memory, bytes);
}

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
