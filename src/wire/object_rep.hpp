// SPDX-License-Identifier: BSL-1.0
// What the copies of an Object share, if it is more than a number or a few characters. It is
// changed only by who holds the one reference.
#pragma once
#include <atomic>
#include <cstdint>
#include <multiprocessing/object.hpp>
#include <string>
#include <utility>

namespace multiprocessing::detail {

struct ObjectRep {
  explicit ObjectRep(Object::Kind of) noexcept : kind(of) {}

  /// Drops a reference; says whether it was the last. acquire, acq_rel: the last one sees what the
  /// others did to the value before they let it go. Who holds the only one changes no count.
  [[nodiscard]] bool let_go() noexcept {
    return references.load(std::memory_order_acquire) == 1 ||
           references.fetch_sub(1, std::memory_order_acq_rel) == 1;
  }

  std::atomic<std::uint32_t> references{1};
  const Object::Kind kind;
  ObjectRep* next = nullptr;  // used by who destroys it
};

/// V: std::string, std::vector<std::byte>, or one of Object's containers.
template <class V> struct ObjectRepOf : ObjectRep {
  ObjectRepOf(Object::Kind of, V&& v) : ObjectRep(of), value(std::move(v)) {}
  static void* operator new(std::size_t bytes) { return take_from_pool(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept {
    give_to_pool(memory, bytes);
  }
  V value;
};

/// How deep functions that call themselves for nested values go down.
inline constexpr int kObjectDepthMax = 1000;

[[noreturn]] void fail_depth(const char* what);

/// The depth within a container at `depth`.  THROWS: RuntimeError past kObjectDepthMax, which says
/// `what` could not be done.
inline int deeper(int depth, const char* what) {
  if (depth >= kObjectDepthMax) [[unlikely]]
    fail_depth(what);
  return depth + 1;
}

/// Python's == for what is nested `depth` levels deep.
[[nodiscard]] bool equal(const Object& a, const Object& b, int depth);

/// repr(), cut short if it is long; and "str 'abc'" for a message that tells the type, too.
[[nodiscard]] std::string brief(const Object& o);
[[nodiscard]] std::string describe(const Object& o);

/// AttributeError: Python's type has no such method.
[[noreturn]] void fail_no_method(const Object& o, const char* method);

inline void require(const Object& o, Object::Kind kind, const char* method) {
  if (o.kind() != kind) [[unlikely]]
    fail_no_method(o, method);
}

}  // namespace multiprocessing::detail
