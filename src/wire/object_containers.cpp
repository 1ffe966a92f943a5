// SPDX-License-Identifier: BSL-1.0
// The hash table of dicts and sets: elements in a vector, in the order of their insertion, and an
// open addressing table of their positions beside it, as CPython's dict is built.
#include <algorithm>
#include <bit>
#include <limits>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>

#include "wire/object_rep.hpp"

namespace multiprocessing::detail {
namespace {

// Up to here the hashes are compared one by one.
constexpr std::size_t kUnindexed = 8;

// The hash of an int is the int itself: spread it, or multiples of the table's size would collide.
std::size_t first_slot(std::size_t hash, std::size_t slots) noexcept {
  return (hash * 0x9e3779b97f4a7c15U) >> (64 - std::countr_zero(slots));
}

template <class Element>
void remove_holes(PooledVector<Element>& elements,
                  const PooledVector<std::size_t>& hashes) noexcept {
  std::size_t to = 0;
  for (std::size_t from = 0; from < elements.size(); ++from) {
    if (hashes[from] == HashIndex::kHole) continue;
    if (to != from) elements[to] = std::move(elements[from]);
    ++to;
  }
  elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(to), elements.end());
}

}  // namespace

template <class Same>
std::size_t HashIndex::find(std::size_t hash, const Same& same, HashCost& cost) const {
  const auto is_at = [&](std::size_t position) {
    if (hashes_[position] != hash) return false;
    if (same(position)) return true;
    ++cost.clashes;
    return false;
  };
  if (slots_.empty()) {
    for (std::size_t i = 0; i < hashes_.size(); ++i)
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

void HashIndex::append(std::size_t hash) {
  const std::size_t position = hashes_.size();
  if (position >= std::numeric_limits<std::uint32_t>::max())
    throw MemoryError("a dict or set cannot hold more than 4,294,967,295 elements");
  const bool indexed = !slots_.empty() || position >= kUnindexed;
  if (indexed && (position + 1) * 3 > slots_.size() * 2) rebuild(std::bit_ceil((position + 1) * 2));
  hashes_.push_back(hash);
  ++size_;
  if (indexed) fill_slot(position);
}

void HashIndex::fill_slot(std::size_t position) noexcept {
  std::size_t slot = first_slot(hashes_[position], slots_.size());
  while (slots_[slot] != 0) slot = (slot + 1) & (slots_.size() - 1);
  slots_[slot] = static_cast<std::uint32_t>(position + 1);
}

void HashIndex::rebuild(std::size_t slots) {
  slots_.assign(slots, 0);
  for (std::size_t position = 0; position < hashes_.size(); ++position) {
    if (hashes_[position] != kHole) fill_slot(position);
  }
}

void HashIndex::erase(std::size_t position) noexcept {
  hashes_[position] = kHole;
  --size_;
}

void HashIndex::clear() noexcept {
  hashes_.clear();
  slots_.clear();
  size_ = 0;
}

void HashIndex::reserve(std::size_t n) {
  hashes_.reserve(n);
  if (n > kUnindexed && n * 3 > slots_.size() * 2) rebuild(std::bit_ceil(n * 2));
}

void HashIndex::without_holes() {
  std::erase(hashes_, kHole);
  if (!slots_.empty()) rebuild(std::bit_ceil(std::max(hashes_.size(), kUnindexed) * 2));
}

ObjectDict::ObjectDict(std::initializer_list<value_type> items) {
  reserve(items.size());
  for (const auto& [key, value] : items) insert_or_assign(key, value);
}

ObjectDict::const_iterator ObjectDict::begin() const noexcept {
  const auto& hashes = index_.hashes();
  return {items_.data(), hashes.data(), hashes.data() + hashes.size()};
}

ObjectDict::const_iterator ObjectDict::end() const noexcept {
  const auto* end = index_.hashes().data() + index_.hashes().size();
  return {items_.data() + items_.size(), end, end};
}

std::size_t ObjectDict::position(const Object& key, std::size_t hash, HashCost& cost) const {
  return index_.find(
      hash, [&](std::size_t i) { return equal(items_[i].first, key, 0); }, cost);
}

const Object* ObjectDict::find(const Object& key) const { return find(key, key.hash()); }

const Object* ObjectDict::find(const Object& key, std::size_t hash) const {
  HashCost cost;
  const std::size_t at = position(key, hash, cost);
  return at == HashIndex::kNowhere ? nullptr : &items_[at].second;
}

Object* ObjectDict::find(const Object& key) {
  HashCost cost;
  const std::size_t at = position(key, key.hash(), cost);
  return at == HashIndex::kNowhere ? nullptr : &items_[at].second;
}

const Object& ObjectDict::at(const Object& key) const {
  if (const Object* value = find(key)) return *value;
  throw KeyError(fmt::format("the dict has no key {}", brief(key)));
}

Object& ObjectDict::insert_or_assign(Object key, Object value) {
  HashCost cost;
  return insert_or_assign(std::move(key), std::move(value), cost);
}

Object& ObjectDict::insert_or_assign(Object key, Object value, HashCost& cost) {
  const std::size_t hash = key.hash();
  const std::size_t at = position(key, hash, cost);
  if (at != HashIndex::kNowhere) return items_[at].second = std::move(value);
  items_.emplace_back(std::move(key), std::move(value));
  try {
    index_.append(hash);
  } catch (...) {
    items_.pop_back();
    throw;
  }
  return items_.back().second;
}

bool ObjectDict::erase(const Object& key) {
  HashCost cost;
  const std::size_t at = position(key, key.hash(), cost);
  if (at == HashIndex::kNowhere) return false;
  index_.erase(at);
  items_[at] = {};
  if (index_.is_sparse()) {
    remove_holes(items_, index_.hashes());
    index_.without_holes();
  }
  return true;
}

void ObjectDict::clear() noexcept {
  index_.clear();
  items_.clear();
}

void ObjectDict::reserve(std::size_t n) {
  items_.reserve(n);
  index_.reserve(n);
}

ObjectSet::ObjectSet(std::initializer_list<Object> items) {
  reserve(items.size());
  for (const Object& item : items) insert(item);
}

ObjectSet::const_iterator ObjectSet::begin() const noexcept {
  const auto& hashes = index_.hashes();
  return {items_.data(), hashes.data(), hashes.data() + hashes.size()};
}

ObjectSet::const_iterator ObjectSet::end() const noexcept {
  const auto* end = index_.hashes().data() + index_.hashes().size();
  return {items_.data() + items_.size(), end, end};
}

std::size_t ObjectSet::position(const Object& value, std::size_t hash, HashCost& cost) const {
  return index_.find(
      hash, [&](std::size_t i) { return equal(items_[i], value, 0); }, cost);
}

bool ObjectSet::contains(const Object& value) const { return contains(value, value.hash()); }

bool ObjectSet::contains(const Object& value, std::size_t hash) const {
  HashCost cost;
  return position(value, hash, cost) != HashIndex::kNowhere;
}

bool ObjectSet::insert(Object value) {
  HashCost cost;
  return insert(std::move(value), cost);
}

bool ObjectSet::insert(Object value, HashCost& cost) {
  const std::size_t hash = value.hash();
  if (position(value, hash, cost) != HashIndex::kNowhere) return false;
  items_.push_back(std::move(value));
  try {
    index_.append(hash);
  } catch (...) {
    items_.pop_back();
    throw;
  }
  return true;
}

bool ObjectSet::erase(const Object& value) {
  HashCost cost;
  const std::size_t at = position(value, value.hash(), cost);
  if (at == HashIndex::kNowhere) return false;
  index_.erase(at);
  items_[at] = {};
  if (index_.is_sparse()) {
    remove_holes(items_, index_.hashes());
    index_.without_holes();
  }
  return true;
}

void ObjectSet::clear() noexcept {
  index_.clear();
  items_.clear();
}

void ObjectSet::reserve(std::size_t n) {
  items_.reserve(n);
  index_.reserve(n);
}

}  // namespace multiprocessing::detail
