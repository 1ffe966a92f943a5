// SPDX-License-Identifier: BSL-1.0
#include <cstdint>
#include <multiprocessing/detail/object_pool.hpp>
#include <new>

namespace multiprocessing::detail {
namespace {

constexpr std::size_t kKeptBytes = std::size_t{128} << 10;  // of each size

// A sanitizer is to see each use of what was given back.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kPooling = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kPooling = false;
#else
constexpr bool kPooling = true;
#endif
#else
constexpr bool kPooling = true;
#endif

enum class State : std::uint8_t { kUnused, kOpen, kClosed };
constinit thread_local State state = State::kUnused;

struct Closer {
  ~Closer() {
    state = State::kClosed;
    for (ObjectPool& pool : object_pools) {
      while (ObjectPool::Free* const first = pool.first) {
        pool.first = first->next;
        ::operator delete(first);
      }
      pool.room = 0;
    }
  }
  void open() const noexcept {
    for (std::size_t i = 0; i < ObjectPool::kSizes; ++i) {
      object_pools[i].room = static_cast<std::uint32_t>(kKeptBytes / ((i + 1) * ObjectPool::kStep));
    }
    state = State::kOpen;
  }
};

void open_pools() noexcept {
  thread_local const Closer closer;
  closer.open();
}

}  // namespace

void* take_new(std::size_t bytes) {
  const std::size_t i = ObjectPool::size_index(bytes);
  return ::operator new(i < ObjectPool::kSizes ? (i + 1) * ObjectPool::kStep : bytes);
}

// There is no room in the pool, or there is none yet.
void give_back(void* memory, std::size_t bytes) noexcept {
  if (kPooling && state == State::kUnused && ObjectPool::size_index(bytes) < ObjectPool::kSizes) {
    open_pools();
    return give_to_pool(memory, bytes);
  }
  ::operator delete(memory);
}

}  // namespace multiprocessing::detail
