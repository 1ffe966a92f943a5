// SPDX-License-Identifier: BSL-1.0
// The class of mp::Object, which is to be had from <multiprocessing/object.hpp>.
#pragma once
#include <multiprocessing/detail/object_form.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace multiprocessing {

namespace detail {
class HeldHandle;
class ObjectAccess;
class ObjectIterator;
struct ObjectRep;
enum class ObjectOrder { kLess, kLessEqual, kGreater, kGreaterEqual };
}  // namespace detail

/// None, bool, int (64 bits), float, str (UTF-8), bytes, list, tuple, dict, set or frozenset; or a
/// handle: what names something that all processes see, a Queue, a Lock, a manager's proxy…
class Object {
 public:
  enum class Kind : std::uint8_t {
    kNone,
    kBool,
    kInt,
    kFloat,
    kStr,
    kBytes,
    kList,
    kTuple,
    kDict,
    kSet,
    kFrozenSet,
    kHandle,  // to a shared object, or a manager's proxy
  };

  /// What `visit` hands out and `as` returns for the containers.
  using List = std::vector<Object>;
  using Tuple = detail::ObjectTuple;          // a List of another type
  using Dict = detail::ObjectDict;            // iterates pairs in the order of their insertion
  using Set = detail::ObjectSet;              // iterates in the order of insertion
  using FrozenSet = detail::ObjectFrozenSet;  // a Set that can be a key

  class Item;  // what `o[key]` is
  using value_type = Object;
  using const_iterator = detail::ObjectIterator;

  /// None.
  Object() noexcept = default;

  /// Of the C++ counterpart: nullptr, std::monostate and an empty optional are None; bool; any
  /// integer or enum is an int; double and float; std::string, a literal or a view is a str; a
  /// contiguous sequence of std::byte is bytes; other sequences are lists, std::tuple and std::pair
  /// tuples, maps dicts, sets sets; a variant is what it holds. Lists and sets in the place of a
  /// key become tuples and frozensets. What is a handle (a Queue, an Event, an Array, a ListProxy…)
  /// stays one, and is never copied element by element; one that travels with a descriptor, as a
  /// Connection, is none of these.
  /// THROWS: ValueError for an unsigned number over 2^63-1, for a null `const char*` and for a
  /// handle or proxy that names nothing.
  template <detail::ObjectSource T> Object(T&& value);

  Object(const Object& other) noexcept : bits_(other.bits_) {
    if (is_shared()) retain();
  }
  Object(Object&& other) noexcept : bits_(std::exchange(other.bits_, Bits{})) {}
  // Not for temporaries: a change of `f()["key"]` could be seen by nobody.
  Object& operator=(const Object& other) & noexcept;
  Object& operator=(Object&& other) & noexcept;
  ~Object() {
    if (is_shared()) release();
  }

  /// Containers, of a braced list of anything or of any range. `bytes` takes characters as bytes.
  static Object list(std::initializer_list<Object> items = {});
  static Object tuple(std::initializer_list<Object> items = {});
  static Object set(std::initializer_list<Object> items = {});
  static Object frozenset(std::initializer_list<Object> items = {});
  static Object dict(std::initializer_list<std::pair<Object, Object>> items = {});
  template <detail::ObjectRange Range> static Object list(const Range& items);
  template <detail::ObjectRange Range> static Object tuple(const Range& items);
  template <detail::ObjectRange Range> static Object set(const Range& items);
  template <detail::ObjectRange Range> static Object frozenset(const Range& items);
  template <detail::ObjectRange Range>
  static Object dict(const Range& items);  // of pairs, or a map
  static Object bytes(std::string_view bytes);

  [[nodiscard]] Kind kind() const noexcept { return static_cast<Kind>(bits_.head & 0xff); }
  /// As Python calls it: "NoneType", "bool", "int", "float", "str"…, "ListProxy"; "Queue<int>".
  [[nodiscard]] const char* type_name() const noexcept;
  [[nodiscard]] bool is_none() const noexcept { return kind() == Kind::kNone; }

  /// Whether this is what T stands for. A bool is neither an int nor a double, an int no double.
  /// Containers: whether every element is, where ints pass for the elements of type double.
  /// Proxies: whether what they name is of the kind, of whatever elements.
  template <class T> [[nodiscard]] bool is() const;

  /// The value as T; an int converts to double.
  /// THROWS: TypeError naming both types; ValueError for an int that T cannot hold.
  template <class T> T as() const;

  /// Calls `f` with what is in here: nullptr (std::monostate if `f` takes only that), bool,
  /// std::int64_t, double, const std::string&, const std::vector<std::byte>&, const List&,
  /// const Tuple&, const Dict&, const Set& or const FrozenSet&. `f` has to take all of them; the
  /// reference is valid in the call only. Returns the common type of what `f` returns.
  /// THROWS: TypeError for a handle.
  template <class F> decltype(auto) visit(F&& f) const;

  /// Python's repr() and str(); they differ for a str alone. Of a handle: what it is.
  [[nodiscard]] std::string repr() const;
  [[nodiscard]] std::string str() const;

  /// Python's hash(): equal values of different types (1, 1.0, True) have the same.
  /// Handles: the same for all that name one thing, within a process.
  /// THROWS: TypeError for list, dict, set and what contains one.
  std::size_t hash() const;

  /// Python's bool(): false for None, zero and what is empty.
  explicit operator bool() const noexcept;

  /// Number of elements, characters or bytes (Python's len()).  THROWS: TypeError for the others.
  std::size_t size() const;
  bool empty() const { return size() == 0; }

  /// Python's `x in o`: elements, keys of a dict, a part of a str or bytes.
  bool contains(const Object& x) const;

  /// Elements of a list, tuple or set, keys of a dict. What is iterated is the state at begin().
  /// THROWS: TypeError for the others.
  const_iterator begin() const;
  const_iterator end() const;

  /// The element at an index, counted from the end if negative, or for a key.
  /// THROWS: IndexError, KeyError; TypeError for what has no elements and for a key of a wrong
  /// type.
  Object operator[](const Object& key) const&;
  Object at(const Object& key) const { return (*this)[key]; }

  /// The same, and `o[key] = value` besides: it replaces the element of a list, and replaces or
  /// adds that of a dict. See detail/object_item.hpp.
  Item operator[](Object key) &;

  /// dict: the value for a key, `fallback` if there is none; keys, values and pairs in the order
  /// of their insertion.  THROWS: TypeError for the others.
  Object get(const Object& key, Object fallback = nullptr) const;
  List keys() const;
  List values() const;
  std::vector<std::pair<Object, Object>> items() const;

  // Changes. THROWS, all of them: AttributeError for a type that has no such method in Python.
  void append(Object value) &;                       // list
  void extend(const Object& items) &;                // list
  void insert(std::int64_t index, Object value) &;   // list; beyond the ends: at the end
  void add(Object value) &;                          // set
  void discard(const Object& value) &;               // set; nothing if it is not there
  void update(const Object& items) &;                // dict with a dict, set with anything iterable
  Object pop() &;                                    // list; the last.  THROWS: IndexError
  Object pop(const Object& key) &;                   // list, dict.  THROWS: IndexError, KeyError
  Object pop(const Object& key, Object fallback) &;  // dict
  void erase(const Object& key) &;  // list, dict, set.  THROWS: IndexError, KeyError
  void clear() &;                   // list, dict, set

  /// As Python's ==: numbers by value whatever their type, sequences element by element, dicts and
  /// sets whatever their order; values of different types are unequal; handles if they name the
  /// same thing.
  friend bool operator==(const Object& a, const Object& b) { return a.equals(b); }

  /// Numbers, str, bytes, lists and tuples in order, sets by inclusion.
  /// THROWS: TypeError for all else.
  friend bool operator<(const Object& a, const Object& b) {
    return in_order(a, detail::ObjectOrder::kLess, b);
  }
  friend bool operator<=(const Object& a, const Object& b) {
    return in_order(a, detail::ObjectOrder::kLessEqual, b);
  }
  friend bool operator>(const Object& a, const Object& b) {
    return in_order(a, detail::ObjectOrder::kGreater, b);
  }
  friend bool operator>=(const Object& a, const Object& b) {
    return in_order(a, detail::ObjectOrder::kGreaterEqual, b);
  }

  /// Prints repr().
  friend std::ostream& operator<<(std::ostream& out, const Object& o) { return o.print(out); }

 private:
  friend class detail::ObjectAccess;

  // A number, or up to 14 characters, or a counted pointer to what is shared by copies: 16 bytes,
  // in two words, which processors copy at once; where characters were written one by one, they
  // would wait for them. From the lowest byte on: the kind, the length, the characters; in the
  // second word: the number or pointer.
  struct Bits {
    static constexpr std::uint8_t kShared = 0xff;  // the length of what is elsewhere
    static constexpr std::size_t kTextAt = 2;
    static constexpr std::size_t kTextMax = 14;

    std::uint64_t head = 0;
    std::uint64_t tail = 0;
  };
  static_assert(static_cast<int>(Kind::kNone) == 0);

  explicit Object(const Bits& bits) noexcept : bits_(bits) {}
  [[nodiscard]] std::uint8_t length() const noexcept {
    return static_cast<std::uint8_t>(bits_.head >> 8);
  }
  [[nodiscard]] bool is_shared() const noexcept { return length() == Bits::kShared; }
  // Behind the operators, which are nowhere declared but in the class: where they were visible to
  // ordinary lookup, every == of two enums in this namespace would try to make Objects of them.
  [[nodiscard]] bool equals(const Object& other) const;
  [[nodiscard]] static bool in_order(const Object& a, detail::ObjectOrder order, const Object& b);
  std::ostream& print(std::ostream& out) const;

  void retain() const noexcept;
  void release() noexcept;

  Bits bits_;
};

}  // namespace multiprocessing
