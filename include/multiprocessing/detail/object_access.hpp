// SPDX-License-Identifier: BSL-1.0
// The one door into an Object, for what makes, reads and sends Objects.
#pragma once
#include <multiprocessing/detail/object_containers.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>
#include <vector>

namespace multiprocessing::detail {

using ObjectKind = Object::Kind;
using HeldPointer = std::unique_ptr<const HeldHandle>;

/// The door into an Object. Readers: the caller has checked the kind.
class ObjectAccess {
 public:
  static Object make(bool value) noexcept { return number(ObjectKind::kBool, value); }
  static Object make(std::int64_t value) noexcept { return number(ObjectKind::kInt, value); }
  static Object make(double value) noexcept { return number(ObjectKind::kFloat, value); }
  static Object make_text(std::string_view text);
  static Object make_text(std::string&& text);
  static Object make_text(const char* text);  // THROWS: ValueError for null
  static Object make_bytes(std::span<const std::byte> bytes);
  static Object make_bytes(std::vector<std::byte>&& bytes);
  static Object make(Object::List&& items);
  static Object make(Object::Tuple&& items);
  static Object make(Object::Dict&& items);
  static Object make(Object::Set&& items);
  static Object make(Object::FrozenSet&& items);
  static Object make(HeldPointer&& handle);

  template <class T> static T number(const Object& o) noexcept {
    static_assert(std::endian::native == std::endian::little);
    T value;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): a pointer is kept as such
    std::memcpy(&value, &o.bits_.tail, sizeof value);
    return value;
  }
  /// Whether a str or bytes lies in the Object itself; then, up to kShortMax bytes can be read
  /// from where it begins, and those behind its end are zero.
  static constexpr std::size_t kShortMax = Object::Bits::kTextMax;
  static bool is_short(const Object& o) noexcept { return !o.is_shared(); }
  static std::string_view short_text(const Object& o) noexcept {
    return {reinterpret_cast<const char*>(&o.bits_) + Object::Bits::kTextAt, o.length()};
  }
  /// Such a text in two numbers, the second of which has its upper 16 bits free. Not by way of an
  /// array: the processor would wait for it.
  struct ShortWords {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    [[nodiscard]] bool is_ascii() const noexcept {
      return ((low | high) & 0x8080808080808080U) == 0;
    }
  };
  static ShortWords short_words(std::string_view short_text) noexcept {
    ShortWords words;
    std::memcpy(&words.low, short_text.data(), sizeof words.low);
    std::memcpy(&words.high, short_text.data() + kShortMax - sizeof words.high, sizeof words.high);
    words.high >>= 8 * (2 * sizeof words.high - kShortMax);
    return words;
  }
  static Object make_short(ObjectKind kind, ShortWords words, std::size_t size) noexcept {
    return Object({static_cast<std::uint64_t>(kind) | size << 8 | words.low << 16,
                   words.low >> 48 | words.high << 16});
  }
  /// Whether both are the same short str; false says nothing.
  static bool same_short_text(const Object& a, const Object& b) noexcept {
    return a.bits_.head == b.bits_.head && a.bits_.tail == b.bits_.tail &&
           a.kind() == ObjectKind::kStr;
  }

  /// What is no value but stands in the place of one, for who makes values of a message.
  static Object placeholder(std::uint8_t number) noexcept {
    return Object({kPlaceholder << 8, number});
  }
  static bool is_placeholder(const Object& o) noexcept { return o.length() == kPlaceholder; }
  /// Whether it is a container, a long text, or a placeholder.
  static bool is_special(const Object& o) noexcept { return o.length() >= kPlaceholder; }
  static bool is_shared(const Object& o) noexcept { return o.is_shared(); }

  /// A value that somebody else keeps.
  class Borrowed {
   public:
    explicit Borrowed(const Object& o) noexcept : bits_(o.bits_) {}
    /// The value itself, for as long as it is kept.
    [[nodiscard]] const Object& get() const noexcept {
      return reinterpret_cast<const Object&>(bits_);
    }

   private:
    Object::Bits bits_;
  };

  /// The characters of a str, the bytes of bytes; valid as long as `o` is not changed.
  static std::string_view text(const Object& o) noexcept;
  /// The same; `room` takes what does not lie in memory like this.
  static const std::string& text(const Object& o, std::string& room);
  static const std::vector<std::byte>& bytes(const Object& o, std::vector<std::byte>& room);
  static const Object::List& list(const Object& o) noexcept;  // of a list or tuple
  static const Object::Tuple& tuple(const Object& o) noexcept;
  static const Object::Dict& dict(const Object& o) noexcept;
  static const Object::Set& set(const Object& o) noexcept;  // of a set or frozenset
  static const Object::FrozenSet& frozenset(const Object& o) noexcept;
  static const HeldHandle& handle(const Object& o) noexcept;

  /// Of what is shared.
  static ObjectRep* rep(const Object& o) noexcept { return number<ObjectRep*>(o); }

  // To be changed: not shared with any copy from then on.
  static Object::List& own_list(Object& o);  // of a list or tuple
  static Object::Dict& own_dict(Object& o);
  static Object::Set& own_set(Object& o);

  /// As their own members do, and adds to `cost`. What they don't take, or replace, stays or is put
  /// where `key` and `value` were.
  static void insert(Object::Dict& dict, Object& key, Object& value, HashCost& cost);
  static void insert(Object::Set& set, Object& value, HashCost& cost);
  static void reserve(Object::Dict& dict, std::size_t n);
  /// An empty one.
  template <class V> static Object make_empty(ObjectKind kind);

  /// A list as a tuple and a set as a frozenset, down to the leaves.
  static Object as_key(Object o);
  /// The iterators of `o`, which can be iterated.
  static ObjectIterator begin(const Object& o);
  static ObjectIterator end(const Object& o);
  /// The element in its place, to be changed. A dict gets it first if `add`.
  static Object& element(Object& container, const Object& key, bool add);

  /// Of what nobody refers to any more.
  static void destroy(ObjectRep* first) noexcept;

  [[noreturn]] static void fail_type(const Object& o, const std::type_info& wanted);
  [[noreturn]] static void fail_visit(const Object& o);
  [[noreturn]] static void fail_range(const Object& o, const std::type_info& wanted);
  [[noreturn]] static void fail_unsigned(std::uint64_t value);

 private:
  template <class T> static Object number(ObjectKind kind, T value) noexcept {
    std::uint64_t tail = 0;
    // NOLINTNEXTLINE(bugprone-sizeof-expression): as above
    std::memcpy(&tail, &value, sizeof value);
    return Object({static_cast<std::uint64_t>(kind), tail});
  }
  static Object shared(ObjectKind kind, ObjectRep* rep) noexcept {
    constexpr std::uint64_t kShared = Object::Bits::kShared;
    return Object(
        {static_cast<std::uint64_t>(kind) | kShared << 8, reinterpret_cast<std::uint64_t>(rep)});
  }
  static constexpr std::uint64_t kPlaceholder = Object::Bits::kShared - 1;
  template <class V> static Object share(ObjectKind kind, V&& value);
  template <class V> static V& own(Object& o);
  static Object make_short(ObjectKind kind, std::string_view text) noexcept;
  static void forget(Object& o) noexcept { o.bits_ = Object::Bits{}; }
  template <class F> static void for_each_child(ObjectRep& rep, const F& f) noexcept;
};

}  // namespace multiprocessing::detail
