// SPDX-License-Identifier: BSL-1.0
// A hash map that remembers the order of insertion, as Python's dict does.
//
// Entries lie in the order of insertion in blocks that never move; a table of their numbers finds
// them by hash. What was erased leaves a hole, and the holes are closed when they are half of all.
#pragma once
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/object.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <iterator>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing::detail {

template <class K>
concept StdHashable = requires(const K& key) {
  { std::hash<K>()(key) } -> std::convertible_to<std::size_t>;
};

/// std::hash, or that of the counterpart in Python, or that of the message.
template <class K> [[nodiscard]] std::size_t hash_of_key(const K& key) {
  std::uint64_t hash = 0;
  if constexpr (StdHashable<K>) {
    hash = std::hash<K>()(key);
  } else if constexpr (kHasObjectForm<K>) {
    hash = Object(key).hash();
  } else {
    Encoder encoder;
    encode<K>(encoder, key);
    hash = std::hash<std::string_view>()(
        {reinterpret_cast<const char*>(encoder.bytes().data()), encoder.size()});
  }
  // That of an integer is itself: its higher bits have to reach the lower ones.
  hash *= 0x9e3779b97f4a7c15U;
  return hash ^ hash >> 32;
}

template <class K, class V> class OrderedMap {
 public:
  using key_type = K;
  using mapped_type = V;
  using value_type = std::pair<const K, V>;

  template <bool kConst> class Iterator {
   public:
    using Pair = std::pair<const K, V>;
    using Entries = std::conditional_t<kConst, const std::deque<std::optional<Pair>>,
                                       std::deque<std::optional<Pair>>>;
    using value_type = Pair;
    using difference_type = std::ptrdiff_t;
    using reference = std::conditional_t<kConst, const Pair&, Pair&>;
    using pointer = std::conditional_t<kConst, const Pair*, Pair*>;
    using iterator_category = std::bidirectional_iterator_tag;

    Iterator() = default;
    Iterator(Entries* entries, std::size_t at) : entries_(entries), at_(at) {}
    reference operator*() const { return *(*entries_)[at_]; }
    pointer operator->() const { return &**this; }
    Iterator& operator++() {
      do ++at_;
      while (at_ < entries_->size() && !(*entries_)[at_]);
      return *this;
    }
    Iterator operator++(int) { return std::exchange(*this, std::next(*this)); }
    Iterator& operator--() {
      do --at_;
      while (!(*entries_)[at_]);
      return *this;
    }
    Iterator operator--(int) { return std::exchange(*this, std::prev(*this)); }
    friend bool operator==(const Iterator&, const Iterator&) = default;
    [[nodiscard]] std::size_t at() const noexcept { return at_; }

   private:
    Entries* entries_ = nullptr;
    std::size_t at_ = 0;
  };
  using iterator = Iterator<false>;
  using const_iterator = Iterator<true>;

  [[nodiscard]] std::size_t size() const noexcept { return live_; }
  [[nodiscard]] bool empty() const noexcept { return live_ == 0; }
  [[nodiscard]] iterator begin() { return {&entries_, first()}; }
  [[nodiscard]] iterator end() { return {&entries_, entries_.size()}; }
  [[nodiscard]] const_iterator begin() const { return {&entries_, first()}; }
  [[nodiscard]] const_iterator end() const { return {&entries_, entries_.size()}; }

  [[nodiscard]] iterator find(const K& key) {
    const std::size_t place = place_of(key, hash_of_key(key));
    return place == kNone ? end() : iterator{&entries_, table_[place] - 1};
  }

  /// The entry of that key, which is added with `value` if there is none.
  std::pair<iterator, bool> emplace(const K& key, V value) {
    const std::size_t hash = hash_of_key(key);
    const std::size_t place = place_of(key, hash);
    if (place != kNone) return {iterator{&entries_, table_[place] - 1}, false};
    make_room();
    entries_.emplace_back(std::in_place, key, std::move(value));
    ++live_;
    put(hash, entries_.size());
    return {iterator{&entries_, entries_.size() - 1}, true};
  }

  void erase(iterator where) {
    const std::size_t place = place_of(where->first, hash_of_key(where->first));
    table_[place] = kErased;
    entries_[where.at()].reset();
    --live_;
    while (!entries_.empty() && !entries_.back()) entries_.pop_back();
    if (live_ == 0) return clear();
    if (entries_.size() > 32 && entries_.size() > 2 * live_) rebuild();
  }

  void clear() {
    entries_.clear();
    table_ = {};
    used_ = live_ = 0;
  }

 private:
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kErased = 0xffff'ffff;
  static constexpr std::size_t kNone = SIZE_MAX;

  [[nodiscard]] std::size_t first() const {
    std::size_t at = 0;
    while (at < entries_.size() && !entries_[at]) ++at;
    return at;
  }

  [[nodiscard]] std::size_t place_of(const K& key, std::size_t hash) const {
    if (table_.empty()) return kNone;
    const std::size_t mask = table_.size() - 1;
    for (std::size_t place = hash & mask; table_[place] != kFree; place = (place + 1) & mask) {
      if (table_[place] == kErased) continue;
      if (entries_[table_[place] - 1]->first == key) return place;
    }
    return kNone;
  }

  void put(std::size_t hash, std::size_t number) {
    const std::size_t mask = table_.size() - 1;
    std::size_t place = hash & mask;
    while (table_[place] != kFree) place = (place + 1) & mask;
    table_[place] = static_cast<std::uint32_t>(number);
    ++used_;
  }

  // A table that is two thirds full at most, for one entry more.
  void make_room() {
    if (!table_.empty() && 3 * (used_ + 1) <= 2 * table_.size()) return;
    rebuild();
  }

  void rebuild() {
    std::deque<std::optional<value_type>> dense;
    if (entries_.size() != live_) {
      for (auto& entry : entries_) {
        if (entry) dense.emplace_back(std::in_place, entry->first, std::move(entry->second));
      }
      entries_.swap(dense);
    }
    table_.assign(std::bit_ceil(2 * (live_ + 4)), kFree);
    used_ = 0;
    for (std::size_t i = 0; i < entries_.size(); ++i) put(hash_of_key(entries_[i]->first), i + 1);
  }

  std::deque<std::optional<value_type>> entries_;
  std::vector<std::uint32_t> table_;  // numbers of entries, from 1
  std::size_t used_ = 0;              // places of the table that are not free
  std::size_t live_ = 0;
};

}  // namespace multiprocessing::detail
