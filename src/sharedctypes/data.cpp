// SPDX-License-Identifier: BSL-1.0
// The shared object behind a Value or an Array.
//
// Death: of the maker before the object is published, the arena frees it; of a holder of the lock,
// see sync/lock_state.hpp. The data itself is the user's: the lock says who died while changing it.
#include <multiprocessing/detail/shared_data.hpp>
#include <multiprocessing/errors.hpp>

#include <fmt/format.h>

#include <algorithm>

#include "memory/object.hpp"
#include "sync/lock_state.hpp"

namespace multiprocessing::detail {
namespace {

// A lock of its own comes first, so that a handle to this object is a handle to that lock as well.
struct DataObject : sync::LockState {
  DataObject() noexcept : LockState(true, false) {}

  std::uint64_t count = 0;
  Offset lock = 0;  // another object, pinned by this one; 0: its own
};
static_assert(sizeof(DataObject) == kDataAt);

void let_go(memory::ObjectHeader& object) {
  const Offset lock = static_cast<DataObject&>(object).lock;
  if (lock != 0) memory::unpin(*memory::at_as<memory::ObjectHeader>(lock), &object);
}

[[maybe_unused]] const bool finalizer_is_registered = [] {
  memory::register_finalizer(memory::ObjectKind::kMemory, let_go);
  return true;
}();

// Not from void* straight there: an object begins with its header.
DataObject& data_in(const Handle& object) {
  return static_cast<DataObject&>(object.as<memory::ObjectHeader>());
}

struct Making {
  const DataPlan& plan;
  const Handle& lock;
};

void set_up(void* where, void* context) {
  const auto& [plan, lock] = *static_cast<Making*>(context);
  auto& object = *::new (where) DataObject;
  object.count = plan.count;
  if (plan.construct != nullptr) {
    plan.construct(static_cast<std::byte*>(where) + data_at(plan.alignment), plan.context);
  }
  if (!lock) return;
  object.lock = memory::offset_of(lock.get());
  memory::pin(lock.as<memory::ObjectHeader>(), where);
}

}  // namespace

Handle make_data(const DataPlan& plan, const Handle& lock) {
  const std::size_t begin = data_at(plan.alignment);
  const std::size_t largest = (SIZE_MAX / 2 - begin) / plan.element_bytes;
  Making making{plan, lock};
  // What is too large even to be counted in bytes is more than the arena has, and it says so.
  return memory::create_object(memory::ObjectKind::kMemory,
                               begin + std::min(plan.count, largest) * plan.element_bytes, set_up,
                               &making);
}

std::size_t data_count(const Handle& object) noexcept { return data_in(object).count; }

Handle data_lock(const Handle& object) {
  const Offset lock = data_in(object).lock;
  // The pin of the object, which the caller's handle keeps alive, protects it meanwhile.
  return lock == 0 ? object : memory::adopt(lock);
}

std::size_t checked_size(std::int64_t size) {
  if (size < 0) {
    throw ValueError(fmt::format("Array: the size must not be negative, {} was given", size));
  }
  return static_cast<std::size_t>(size);
}

void throw_index(std::int64_t index, std::size_t size) {
  throw IndexError(fmt::format("Array: index {} is out of range, it has {} elements", index, size));
}

void throw_length(std::size_t given, std::size_t wanted) {
  throw ValueError(
      fmt::format("Array: {} values were given for {} elements; the size of shared memory is fixed",
                  given, wanted));
}

void throw_too_long(std::size_t given, std::size_t size) {
  throw ValueError(
      fmt::format("Array: a text of {} characters is too long for {} elements", given, size));
}

SliceBounds slice_bounds(std::int64_t start, std::int64_t stop, std::size_t size) {
  const auto length = static_cast<std::int64_t>(size);
  const auto clamp = [&](std::int64_t at) {
    return static_cast<std::size_t>(std::clamp<std::int64_t>(at < 0 ? at + length : at, 0, length));
  };
  const std::size_t first = clamp(start);
  return {first, std::max(first, clamp(stop))};
}

}  // namespace multiprocessing::detail
