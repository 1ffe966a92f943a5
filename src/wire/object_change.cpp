// SPDX-License-Identifier: BSL-1.0
// What changes an Object in place. Arguments that may be elements of the Object itself are copied
// first, which costs little.
#include <fmt/format.h>

#include <algorithm>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>

#include "wire/object_rep.hpp"

namespace multiprocessing {

using detail::fail_no_method;
using detail::ObjectAccess;
using detail::require;

namespace {

[[noreturn]] void fail_key(const Object& container, const Object& key) {
  throw KeyError(fmt::format("the {} has no {} {}", container.type_name(),
                             container.kind() == Object::Kind::kDict ? "key" : "element",
                             detail::brief(key)));
}

// By reference into the list, so it has to be found before the list is changed.
Object::List::iterator element_at(Object& list, const Object& index) {
  Object& element = ObjectAccess::element(list, index, false);
  Object::List& items = ObjectAccess::own_list(list);
  return items.begin() + (&element - items.data());
}

}  // namespace

void Object::append(Object value) & {
  require(*this, Kind::kList, "append");
  ObjectAccess::own_list(*this).push_back(std::move(value));
}

void Object::extend(const Object& items) & {
  require(*this, Kind::kList, "extend");
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): it may be a part of this
  const Object source = items;
  const const_iterator begin = source.begin();
  const const_iterator end = source.end();
  List& list = ObjectAccess::own_list(*this);
  list.insert(list.end(), begin, end);
}

void Object::insert(std::int64_t index, Object value) & {
  require(*this, Kind::kList, "insert");
  List& list = ObjectAccess::own_list(*this);
  const auto n = static_cast<std::int64_t>(list.size());
  const std::int64_t at = std::clamp<std::int64_t>(index < 0 ? index + n : index, 0, n);
  list.insert(list.begin() + at, std::move(value));
}

void Object::add(Object value) & {
  require(*this, Kind::kSet, "add");
  ObjectAccess::own_set(*this).insert(std::move(value));
}

void Object::discard(const Object& value) & {
  require(*this, Kind::kSet, "discard");
  ObjectAccess::own_set(*this).erase(Object(value));
}

void Object::update(const Object& items) & {
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): it may be a part of this
  const Object source = items;
  if (kind() == Kind::kDict) {
    if (source.kind() != Kind::kDict)
      throw TypeError(
          fmt::format("a dict is updated with a dict, not with the {}", detail::describe(source)));
    Dict& dict = ObjectAccess::own_dict(*this);
    for (const auto& [key, value] : ObjectAccess::dict(source)) dict.insert_or_assign(key, value);
    return;
  }
  require(*this, Kind::kSet, "update");
  const const_iterator end = source.end();
  Set& set = ObjectAccess::own_set(*this);
  for (const_iterator item = source.begin(); item != end; ++item) set.insert(*item);
}

Object Object::pop() & {
  require(*this, Kind::kList, "pop");
  if (empty()) throw IndexError("pop from an empty list");
  List& list = ObjectAccess::own_list(*this);
  Object last = std::move(list.back());
  list.pop_back();
  return last;
}

Object Object::pop(const Object& key) & {
  if (kind() == Kind::kList) {
    const auto at = element_at(*this, key);
    Object element = std::move(*at);
    ObjectAccess::own_list(*this).erase(at);
    return element;
  }
  require(*this, Kind::kDict, "pop");
  Object value = ObjectAccess::dict(*this).at(key);
  ObjectAccess::own_dict(*this).erase(Object(key));
  return value;
}

Object Object::pop(const Object& key, Object fallback) & {
  require(*this, Kind::kDict, "pop");
  const Object* value = ObjectAccess::dict(*this).find(key);
  return value != nullptr ? pop(key) : std::move(fallback);
}

void Object::erase(const Object& key) & {
  // NOLINTNEXTLINE(performance-unnecessary-copy-initialization): it may be a part of this
  const Object kept = key;
  switch (kind()) {
    case Kind::kList: {
      const auto at = element_at(*this, kept);
      ObjectAccess::own_list(*this).erase(at);
      return;
    }
    case Kind::kDict:
      if (!ObjectAccess::own_dict(*this).erase(kept)) fail_key(*this, kept);
      return;
    case Kind::kSet:
      if (!ObjectAccess::own_set(*this).erase(kept)) fail_key(*this, kept);
      return;
    default:
      fail_no_method(*this, "erase");
  }
}

void Object::clear() & {
  switch (kind()) {
    case Kind::kList:
      *this = list();
      return;
    case Kind::kDict:
      *this = dict();
      return;
    case Kind::kSet:
      *this = set();
      return;
    default:
      fail_no_method(*this, "clear");
  }
}

}  // namespace multiprocessing
