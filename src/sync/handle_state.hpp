// SPDX-License-Identifier: BSL-1.0
// From a public handle to what it names.
#pragma once
#include <fmt/format.h>

#include <multiprocessing/detail/handle.hpp>
#include <multiprocessing/errors.hpp>

#include "memory/object.hpp"

namespace multiprocessing::sync {

[[noreturn]] inline void throw_moved_from(const char* kind) {
  throw ValueError(
      fmt::format("{}: this handle was moved from; use the one it was moved to", kind));
}

template <class State>
[[nodiscard]] inline State& state_of(const detail::Handle& handle, const char* kind) {
  if (!handle) [[unlikely]]
    throw_moved_from(kind);
  // Not from void* straight to State: the object begins with its header.
  return static_cast<State&>(handle.as<memory::ObjectHeader>());
}

}  // namespace multiprocessing::sync
