// SPDX-License-Identifier: BSL-1.0
// A counted reference of this process to an object in the arena.
#pragma once
#include <cstdint>
#include <memory>

namespace multiprocessing::detail {

/// Where a shared object begins, counted from the base of the arena; 0 is none.
using Offset = std::uint64_t;

/// Keeps a shared object alive in this process; every copy names the same object.
///
/// Threads: like std::shared_ptr. Fork: the child's copies are references of the child's own.
/// Death: a killed process's references are dropped by the survivors.
class Handle {
 public:
  Handle() = default;
  explicit Handle(std::shared_ptr<void> object) noexcept : object_(std::move(object)) {}

  /// The object in this process's mapping; null for an empty handle.
  [[nodiscard]] void* get() const noexcept { return object_.get(); }
  template <class T> [[nodiscard]] T& as() const noexcept {
    return *static_cast<T*>(object_.get());
  }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const Handle&, const Handle&) = default;

 private:
  std::shared_ptr<void> object_;
};

}  // namespace multiprocessing::detail
