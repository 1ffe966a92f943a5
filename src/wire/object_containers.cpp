// SPDX-License-Identifier: BSL-1.0
// Dicts and sets.
#include <fmt/format.h>

#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>

#include "wire/hash_table.hpp"
#include "wire/object_rep.hpp"

namespace multiprocessing::detail {
template class HashTable<Object>;
template class HashTable<Object::Dict::value_type>;

ObjectDict::ObjectDict(std::initializer_list<value_type> items) {
  reserve(items.size());
  for (const auto& [key, value] : items) insert_or_assign(key, value);
}

ObjectDict::const_iterator ObjectDict::begin() const noexcept {
  const auto& entries = table_.entries();
  return {entries.data(), entries.data() + entries.size()};
}

ObjectDict::const_iterator ObjectDict::end() const noexcept {
  const auto* end = table_.entries().data() + table_.entries().size();
  return {end, end};
}

const Object* ObjectDict::find(const Object& key) const { return find(key, hash_of(key)); }

const Object* ObjectDict::find(const Object& key, std::size_t hash) const {
  HashCost cost;
  const std::size_t at = table_.find(key, hash, cost);
  return at == kNowhere ? nullptr : &table_[at].second;
}

Object* ObjectDict::find(const Object& key) {
  return const_cast<Object*>(std::as_const(*this).find(key));
}

const Object& ObjectDict::at(const Object& key) const {
  if (const Object* value = find(key)) return *value;
  throw KeyError(fmt::format("the dict has no key {}", brief(key)));
}

Object& ObjectDict::insert_or_assign(Object key, Object value) {
  HashCost cost;
  const std::size_t hash = hash_of(key);
  const std::size_t at = table_.find(key, hash, cost);
  if (at != kNowhere) return table_[at].second = std::move(value);
  table_.append(hash, std::move(key), std::move(value));
  return table_.entries().back().element.second;
}

bool ObjectDict::erase(const Object& key) {
  HashCost cost;
  const std::size_t at = table_.find(key, hash_of(key), cost);
  if (at == kNowhere) return false;
  table_.erase(at);
  return true;
}

void ObjectDict::clear() noexcept { table_.clear(); }

void ObjectDict::reserve(std::size_t n) { table_.reserve(n); }

ObjectSet::ObjectSet(std::initializer_list<Object> items) {
  reserve(items.size());
  for (const Object& item : items) insert(item);
}

ObjectSet::const_iterator ObjectSet::begin() const noexcept {
  const auto& entries = table_.entries();
  return {entries.data(), entries.data() + entries.size()};
}

ObjectSet::const_iterator ObjectSet::end() const noexcept {
  const auto* end = table_.entries().data() + table_.entries().size();
  return {end, end};
}

bool ObjectSet::contains(const Object& value) const { return contains(value, hash_of(value)); }

bool ObjectSet::contains(const Object& value, std::size_t hash) const {
  HashCost cost;
  return table_.find(value, hash, cost) != kNowhere;
}

bool ObjectSet::insert(Object value) {
  HashCost cost;
  const std::size_t before = size();
  ObjectAccess::insert(*this, value, cost);
  return size() != before;
}

bool ObjectSet::erase(const Object& value) {
  HashCost cost;
  const std::size_t at = table_.find(value, hash_of(value), cost);
  if (at == kNowhere) return false;
  table_.erase(at);
  return true;
}

void ObjectSet::clear() noexcept { table_.clear(); }

void ObjectSet::reserve(std::size_t n) { table_.reserve(n); }

}  // namespace multiprocessing::detail
