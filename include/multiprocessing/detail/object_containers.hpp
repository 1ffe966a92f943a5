// SPDX-License-Identifier: BSL-1.0
// What an Object holds when it is a tuple, a dict or a set, and how an Object is iterated.
#pragma once
#include <multiprocessing/detail/object_class.hpp>
#include <multiprocessing/detail/object_pool.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

namespace multiprocessing::detail {

/// Python's tuple: a list of another type.
class ObjectTuple : public std::vector<Object> {
 public:
  using std::vector<Object>::vector;
};

/// A vector that is short as a rule.
template <class T> using PooledVector = std::vector<T, PoolAllocator<T>>;

/// What it took to find places for keys: for who takes them from strangers.
struct HashCost {
  std::size_t probes = 0;
  std::size_t clashes = 0;  // keys that have the same hash and are not equal
};

inline constexpr std::size_t kHole = static_cast<std::size_t>(-1);     // no element's hash
inline constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);  // no element's position

template <class Element> struct Hashed {
  template <class... Args>
  explicit Hashed(std::size_t of, Args&&... args)
      : element(std::forward<Args>(args)...), hash(of) {}
  Element element;
  std::size_t hash;
};

/// Elements in the order of their insertion, and where they are by their hash. An erased element
/// leaves a hole, so that the others keep their position and order.
template <class Element> class HashTable {
 public:
  using Entries = PooledVector<Hashed<Element>>;

  /// Of elements, without the holes.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// By position, holes too.
  [[nodiscard]] const Entries& entries() const noexcept { return entries_; }
  [[nodiscard]] Entries& entries() noexcept { return entries_; }
  [[nodiscard]] Element& operator[](std::size_t position) noexcept {
    return entries_[position].element;
  }
  [[nodiscard]] const Element& operator[](std::size_t position) const noexcept {
    return entries_[position].element;
  }

  /// The position of the element with this key, or kNowhere. Adds to `cost`.
  [[nodiscard]] std::size_t find(const Object& key, std::size_t hash, HashCost& cost) const;
  /// Adds an element, made of `args`, which is not there.
  template <class... Args> void append(std::size_t hash, Args&&... args);
  void erase(std::size_t position) noexcept;
  void clear() noexcept;
  void reserve(std::size_t n);

 private:
  void make_slot(std::size_t position);
  void rebuild(std::size_t slots);
  void fill_slot(std::size_t position) noexcept;

  Entries entries_;
  // Open addressing, a power of two of them: position + 1, or 0 for a free slot. None at all while
  // there are few positions, which are then searched one by one.
  std::vector<std::uint32_t> slots_;
  std::size_t size_ = 0;
};

/// Walks over the elements of a HashTable that are no holes.
template <class Element> class FilledIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = Element;
  using difference_type = std::ptrdiff_t;
  using pointer = const Element*;
  using reference = const Element&;

  FilledIterator() noexcept = default;
  FilledIterator(const Hashed<Element>* at, const Hashed<Element>* end) noexcept
      : at_(at), end_(end) {
    skip_holes();
  }

  reference operator*() const noexcept { return at_->element; }
  pointer operator->() const noexcept { return &at_->element; }
  [[nodiscard]] std::size_t hash() const noexcept { return at_->hash; }
  FilledIterator& operator++() noexcept {
    ++at_;
    skip_holes();
    return *this;
  }
  FilledIterator operator++(int) noexcept {
    FilledIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const FilledIterator& a, const FilledIterator& b) noexcept {
    return a.at_ == b.at_;
  }

 private:
  void skip_holes() noexcept {
    while (at_ != end_ && at_->hash == kHole) ++at_;
  }

  const Hashed<Element>* at_ = nullptr;
  const Hashed<Element>* end_ = nullptr;
};

/// Python's dict: pairs in the order of their insertion, found in constant time. Functions that
/// take a key throw TypeError for one that cannot be hashed.
class ObjectDict {
 public:
  using key_type = Object;
  using mapped_type = Object;
  using value_type = std::pair<Object, Object>;
  using const_iterator = FilledIterator<value_type>;

  ObjectDict() = default;
  ObjectDict(std::initializer_list<value_type> items);

  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] const_iterator begin() const noexcept;
  [[nodiscard]] const_iterator end() const noexcept;

  [[nodiscard]] bool contains(const Object& key) const { return find(key) != nullptr; }
  /// The value, or null.
  [[nodiscard]] const Object* find(const Object& key) const;
  [[nodiscard]] const Object* find(const Object& key, std::size_t hash) const;
  [[nodiscard]] Object* find(const Object& key);
  /// THROWS: KeyError.
  [[nodiscard]] const Object& at(const Object& key) const;

  /// A key that is there already keeps its place.
  Object& insert_or_assign(Object key, Object value);
  bool erase(const Object& key);
  void clear() noexcept;
  void reserve(std::size_t n);

 private:
  friend class ObjectAccess;
  HashTable<value_type> table_;  // None: None in a hole
};

/// Python's set, in the order of insertion.
class ObjectSet {
 public:
  using key_type = Object;
  using value_type = Object;
  using const_iterator = FilledIterator<Object>;

  ObjectSet() = default;
  ObjectSet(std::initializer_list<Object> items);

  [[nodiscard]] std::size_t size() const noexcept { return table_.size(); }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] const_iterator begin() const noexcept;
  [[nodiscard]] const_iterator end() const noexcept;

  [[nodiscard]] bool contains(const Object& value) const;
  [[nodiscard]] bool contains(const Object& value, std::size_t hash) const;
  /// False if it was there already.
  bool insert(Object value);
  bool erase(const Object& value);
  void clear() noexcept;
  void reserve(std::size_t n);

 private:
  friend class ObjectAccess;
  HashTable<Object> table_;  // None in a hole
};

/// Python's frozenset: a set of another type.
class ObjectFrozenSet : public ObjectSet {
 public:
  using ObjectSet::ObjectSet;
  explicit ObjectFrozenSet(ObjectSet set) : ObjectSet(std::move(set)) {}
};

/// Walks over the elements of a list, tuple or set or over the keys of a dict. It keeps what it
/// walks over: changing the Object meanwhile makes a copy and does not disturb the walk.
class ObjectIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = Object;
  using difference_type = std::ptrdiff_t;
  using pointer = const Object*;
  using reference = const Object&;

  ObjectIterator() noexcept = default;

  reference operator*() const noexcept { return *operator->(); }
  pointer operator->() const noexcept { return reinterpret_cast<const Object*>(at_); }
  ObjectIterator& operator++() noexcept {
    ++position_;
    at_ += stride_;
    skip_holes();
    return *this;
  }
  ObjectIterator operator++(int) noexcept {
    ObjectIterator before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const ObjectIterator& a, const ObjectIterator& b) noexcept {
    return a.position_ == b.position_;
  }

 private:
  friend class ObjectAccess;
  void skip_holes() noexcept {
    while (hash_at_ != 0 && position_ != end_ &&
           *reinterpret_cast<const std::size_t*>(at_ + hash_at_) == kHole) {
      ++position_;
      at_ += stride_;
    }
  }

  Object whole_;  // of begin() alone
  const std::byte* at_ = nullptr;
  std::size_t stride_ = 0;   // bytes from one key or element to the next
  std::size_t hash_at_ = 0;  // bytes from a key or element to its hash, in a dict or set
  std::size_t position_ = 0;
  std::size_t end_ = 0;
};

}  // namespace multiprocessing::detail
