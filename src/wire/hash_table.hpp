// SPDX-License-Identifier: BSL-1.0
// The hash table of dicts and sets: elements in a vector, in the order of their insertion, and an
// open addressing table of their positions beside it, as CPython's dict is built.
#pragma once
#include <algorithm>
#include <bit>
#include <limits>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <utility>

#include "wire/object_rep.hpp"

namespace multiprocessing::detail {

// Up to here the hashes are compared one by one.
inline constexpr std::size_t kUnindexed = 8;

// The hash of an int is the int itself: spread it, or multiples of the table's size would collide.
inline std::size_t first_slot(std::size_t hash, std::size_t slots) noexcept {
  return (hash * 0x9e3779b97f4a7c15U) >> (64 - std::countr_zero(slots));
}

inline const Object& key_of(const Object& element) noexcept { return element; }
inline const Object& key_of(const Object::Dict::value_type& item) noexcept { return item.first; }

template <class Element>
std::size_t HashTable<Element>::find(const Object& key, std::size_t hash, HashCost& cost) const {
  const auto is_at = [&](std::size_t position) {
    const Hashed<Element>& entry = entries_[position];
    if (entry.hash != hash) return false;
    const Object& other = key_of(entry.element);
    if (ObjectAccess::same_short_text(other, key) || equal(other, key, 0)) return true;
    ++cost.clashes;
    return false;
  };
  if (slots_.empty()) {
    for (std::size_t i = 0; i < entries_.size(); ++i)
      if (is_at(i)) return i;
    return kNowhere;
  }
  std::size_t slot = first_slot(hash, slots_.size());
  for (; slots_[slot] != 0; slot = (slot + 1) & (slots_.size() - 1)) {
    ++cost.probes;
    if (is_at(slots_[slot] - 1)) return slots_[slot] - 1;
  }
  return kNowhere;
}

// In place, and reserve() too: it is a tenth of what decoding a small dict takes.
template <class Element>
template <class... Args>
[[gnu::always_inline]] inline void HashTable<Element>::append(std::size_t hash, Args&&... args) {
  const std::size_t position = entries_.size();
  if (position >= kUnindexed || !slots_.empty()) [[unlikely]]
    make_slot(position);
  entries_.emplace_back(hash, std::forward<Args>(args)...);
  ++size_;
  if (!slots_.empty()) [[unlikely]]
    fill_slot(position);
}

template <class Element> void HashTable<Element>::make_slot(std::size_t position) {
  if (position >= std::numeric_limits<std::uint32_t>::max())
    throw MemoryError("a dict or set cannot hold more than 4,294,967,295 elements");
  if ((position + 1) * 3 > slots_.size() * 2) rebuild(std::bit_ceil((position + 1) * 2));
}

template <class Element> void HashTable<Element>::fill_slot(std::size_t position) noexcept {
  std::size_t slot = first_slot(entries_[position].hash, slots_.size());
  while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = static_cast<std::uint32_t>(position + 1);
}

template <class Element> void HashTable<Element>::rebuild(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::size_t position = 0; position < entries_.size(); ++position) {
    if (entries_[position].hash != kHole) fill_slot(position);
  }
}

// The holes go when they outweigh the elements.
template <class Element> void HashTable<Element>::erase(std::size_t position) noexcept {
  entries_[position] = Hashed<Element>(kHole);
  --size_;
  if (entries_.size() <= 2 * size_ + kUnindexed) return;
  std::erase_if(entries_, [](const Hashed<Element>& entry) { return entry.hash == kHole; });
  // No more slots than there are, so there is memory for them.
  if (!slots_.empty()) rebuild(std::bit_ceil(std::max(entries_.size(), kUnindexed) * 2));
}

template <class Element> void HashTable<Element>::clear() noexcept {
  entries_.clear();
  slots_.clear();
  size_ = 0;
}

template <class Element>
[[gnu::always_inline]] inline void HashTable<Element>::reserve(std::size_t n) {
  entries_.reserve(n);
  if (n > kUnindexed && n * 3 > slots_.size() * 2) rebuild(std::bit_ceil(n * 2));
}

inline void ObjectAccess::reserve(Object::Dict& dict, std::size_t n) { dict.table_.reserve(n); }

inline void ObjectAccess::insert(Object::Dict& dict, Object& key, Object& value, HashCost& cost) {
  const std::size_t hash = hash_of(key);
  const std::size_t at = dict.table_.find(key, hash, cost);
  if (at != kNowhere) {
    std::swap(dict.table_[at].second, value);
  } else {
    dict.table_.append(hash, std::move(key), std::move(value));
  }
}

inline void ObjectAccess::insert(Object::Set& set, Object& value, HashCost& cost) {
  const std::size_t hash = hash_of(value);
  if (set.table_.find(value, hash, cost) == kNowhere) set.table_.append(hash, std::move(value));
}

}  // namespace multiprocessing::detail
