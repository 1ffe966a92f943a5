// SPDX-License-Identifier: BSL-1.0
// The block of shared memory behind a Value or an Array: their templates stop at these functions.
//
// Each is one object of the arena, which is its own recursive lock too, so that ten thousand of
// them cost two to three MiB and no descriptor. A lock given by with_lock is kept alive by it.
#pragma once
#include <multiprocessing/detail/handle.hpp>

#include <cstddef>
#include <cstdint>

namespace multiprocessing::detail {

/// Where the data of an object begins; the object itself is aligned to kDataAlignmentMax.
inline constexpr std::size_t kDataAt = 208;
inline constexpr std::size_t kDataAlignmentMax = 64;
constexpr std::size_t data_at(std::size_t alignment) {
  return (kDataAt + alignment - 1) / alignment * alignment;
}

/// How to set up the data, which is all zero before.
struct DataPlan {
  std::size_t count;
  std::size_t element_bytes;
  std::size_t alignment;
  void (*construct)(void* data, void* context);  ///< null: zero is right
  void* context;
};

/// Makes an object with this lock; an empty handle: with its own. THROWS MemoryError and what
/// `construct` throws.
[[nodiscard]] Handle make_data(const DataPlan& plan, const Handle& lock);

[[nodiscard]] std::size_t data_count(const Handle& object) noexcept;
/// The lock that guards it: another object or, if it is its own, the same.
[[nodiscard]] Handle data_lock(const Handle& object);

/// THROWS ValueError if it is negative.
[[nodiscard]] std::size_t checked_size(std::int64_t size);

[[noreturn]] void throw_index(std::int64_t index, std::size_t size);
[[noreturn]] void throw_length(std::size_t given, std::size_t wanted);
[[noreturn]] void throw_too_long(std::size_t given, std::size_t size);

/// Python's a[start:stop], as positions in an array of `size`.
struct SliceBounds {
  std::size_t first;
  std::size_t last;
};
[[nodiscard]] SliceBounds slice_bounds(std::int64_t start, std::int64_t stop, std::size_t size);

}  // namespace multiprocessing::detail
