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

  // For who makes it of a message.
  enum Flag : std::uint8_t { kFrozen = 1, kMemorised = 2 };
  std::uint8_t flags = 0;
  std::uint16_t depth = 1;  // levels
  union {
    std::uint64_t weight = 1;  // how many values it is; used by who makes it
    ObjectRep* next;           // used by who destroys it
  };
};

/// V: std::string, std::vector<std::byte>, or one of Object's containers.
template <class V> struct ObjectRepOf : ObjectRep {
  explicit ObjectRepOf(Object::Kind of) : ObjectRep(of) {}
  ObjectRepOf(Object::Kind of, V&& v) : ObjectRep(of), value(std::move(v)) {}
  // NOLINTNEXTLINE(misc-new-delete-overloads): the sized one is its counterpart
  static void* operator new(std::size_t bytes) { return take_from_pool(bytes); }
  static void operator delete(void* memory, std::size_t bytes) noexcept {
    give_to_pool(memory, bytes);
  }
  V value;
};

template <class V> V& value_of(ObjectRep& rep) noexcept {
  return static_cast<ObjectRepOf<V>&>(rep).value;
}

template <class V> Object ObjectAccess::make_empty(ObjectKind kind) {
  return shared(kind, new ObjectRepOf<V>(kind));
}

inline std::size_t hash_short(const Object& o) noexcept {
  const auto [low, high] = ObjectAccess::short_words(ObjectAccess::short_text(o));
  __extension__ using Product = unsigned __int128;
  const Product product = Product{low ^ 0xa0761d6478bd642fU} *
                          (high ^ (ObjectAccess::short_text(o).size() << 56) ^ 0xe7037ed1a0b428dbU);
  return static_cast<std::size_t>(product) ^ static_cast<std::size_t>(product >> 64);
}

/// As hash(), at once for what keys are as a rule.
inline std::size_t hash_of(const Object& o) {
  if (o.kind() != Object::Kind::kStr || !ObjectAccess::is_short(o)) return o.hash();
  const std::size_t hash = hash_short(o);
  return hash == kHole ? hash - 1 : hash;
}

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
