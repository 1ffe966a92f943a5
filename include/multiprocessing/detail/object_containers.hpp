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

/// Finds the positions of hashed elements that somebody else keeps in a vector. An erased element
/// leaves a hole, so that the others keep their position and order.
class HashIndex {
 public:
  static constexpr std::size_t kNowhere = static_cast<std::size_t>(-1);
  static constexpr std::size_t kHole = static_cast<std::size_t>(-1);  // no element's hash

  /// Of elements, without the holes.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// The hash for each position; kHole where nothing is.
  [[nodiscard]] const PooledVector<std::size_t>& hashes() const noexcept { return hashes_; }

  /// The position with this hash for which `same(position)` holds, or kNowhere. Adds to `cost`.
  template <class Same>
  [[nodiscard]] std::size_t find(std::size_t hash, const Same& same, HashCost& cost) const;

  /// Adds a position at the end.
  void append(std::size_t hash);
  void erase(std::size_t position) noexcept;
  void clear() noexcept;
  void reserve(std::size_t n);

  /// Whether the holes outweigh the elements. Then call without_holes() and remove them likewise.
  [[nodiscard]] bool is_sparse() const noexcept { return hashes_.size() > 2 * size_ + 8; }
  void without_holes();

 private:
  void rebuild(std::size_t slots);
  void fill_slot(std::size_t position) noexcept;

  PooledVector<std::size_t> hashes_;
  // Open addressing, a power of two of them: position + 1, or 0 for a free slot. None at all while
  // there are few positions, which are then searched one by one.
  std::vector<std::uint32_t> slots_;
  std::size_t size_ = 0;
};

/// Walks over the positions of a HashIndex that are no holes.
template <class Element> class FilledIterator {
 public:
  using iterator_category = std::forward_iterator_tag;
  using value_type = Element;
  using difference_type = std::ptrdiff_t;
  using pointer = const Element*;
  using reference = const Element&;

  FilledIterator() noexcept = default;
  FilledIterator(const Element* at, const std::size_t* hash, const std::size_t* end) noexcept
      : at_(at), hash_(hash), end_(end) {
    skip_holes();
  }

  reference operator*() const noexcept { return *at_; }
  pointer operator->() const noexcept { return at_; }
  [[nodiscard]] std::size_t hash() const noexcept { return *hash_; }
  FilledIterator& operator++() noexcept {
    ++at_;
    ++hash_;
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
    while (hash_ != end_ && *hash_ == HashIndex::kHole) {
      ++at_;
      ++hash_;
    }
  }

  const Element* at_ = nullptr;
  const std::size_t* hash_ = nullptr;
  const std::size_t* end_ = nullptr;
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

  [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }
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
  [[nodiscard]] std::size_t position(const Object& key, std::size_t hash, HashCost& cost) const;
  Object& insert_or_assign(Object key, Object value, HashCost& cost);

  HashIndex index_;
  PooledVector<value_type> items_;  // by position; None: None in a hole
};

/// Python's set, in the order of insertion.
class ObjectSet {
 public:
  using key_type = Object;
  using value_type = Object;
  using const_iterator = FilledIterator<Object>;

  ObjectSet() = default;
  ObjectSet(std::initializer_list<Object> items);

  [[nodiscard]] std::size_t size() const noexcept { return index_.size(); }
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
  [[nodiscard]] std::size_t position(const Object& value, std::size_t hash, HashCost& cost) const;
  bool insert(Object value, HashCost& cost);

  HashIndex index_;
  PooledVector<Object> items_;  // by position; None in a hole
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
    while (hashes_ != nullptr && position_ != end_ && hashes_[position_] == HashIndex::kHole) {
      ++position_;
      at_ += stride_;
    }
  }

  Object whole_;  // of begin() alone
  const std::byte* at_ = nullptr;
  std::size_t stride_ = 0;               // bytes from one key or element to the next
  const std::size_t* hashes_ = nullptr;  // of a dict or set
  std::size_t position_ = 0;
  std::size_t end_ = 0;
};

}  // namespace multiprocessing::detail
