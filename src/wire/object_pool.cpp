// SPDX-License-Identifier: BSL-1.0
#include <array>
#include <cstdint>
#include <multiprocessing/detail/object_pool.hpp>
#include <new>

namespace multiprocessing::detail {
namespace {

constexpr std::size_t kStep = 16;
constexpr std::size_t kPooledMax = 256;
constexpr std::size_t kClasses = kPooledMax / kStep;
constexpr std::size_t kKeptBytes = std::size_t{128} << 10;  // of each class

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

struct Free {
  Free* next;
};

struct Class {
  Free* first;
  std::uint32_t room;  // for how many more
};

// Without constructor and destructor: it is there as long as the thread runs anything at all.
struct Pool {
  enum State : std::uint8_t { kUnused, kOpen, kClosed };
  std::array<Class, kClasses> classes;
  State state;
};
constinit thread_local Pool pool{};

struct Closer {
  ~Closer() {
    pool.state = Pool::kClosed;
    for (Class& all : pool.classes) {
      while (Free* const first = all.first) {
        all.first = first->next;
        ::operator delete(first);
      }
      all.room = 0;
    }
  }
  void open() const noexcept {
    for (std::size_t i = 0; i < kClasses; ++i) {
      pool.classes[i].room = static_cast<std::uint32_t>(kKeptBytes / ((i + 1) * kStep));
    }
    pool.state = Pool::kOpen;
  }
};

void open_pool() noexcept {
  thread_local const Closer closer;
  closer.open();
}

constexpr std::size_t class_of(std::size_t bytes) noexcept { return (bytes - 1) / kStep; }

}  // namespace

void* take_from_pool(std::size_t bytes) {
  if (!kPooling || bytes == 0 || bytes > kPooledMax) return ::operator new(bytes);
  Class& all = pool.classes[class_of(bytes)];
  Free* const first = all.first;
  if (first == nullptr) return ::operator new((class_of(bytes) + 1) * kStep);
  all.first = first->next;
  ++all.room;
  return first;
}

void give_to_pool(void* memory, std::size_t bytes) noexcept {
  if (!kPooling || bytes == 0 || bytes > kPooledMax) return ::operator delete(memory);
  if (pool.state == Pool::kUnused) open_pool();
  Class& all = pool.classes[class_of(bytes)];
  if (all.room == 0) return ::operator delete(memory);
  --all.room;
  all.first = ::new (memory) Free{all.first};
}

}  // namespace multiprocessing::detail
