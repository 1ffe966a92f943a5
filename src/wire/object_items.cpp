// SPDX-License-Identifier: BSL-1.0
// What an Object contains: indexing, iterating, looking up and changing.
#include <fmt/format.h>

#include <algorithm>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <string_view>

#include "wire/object_rep.hpp"
#include "wire/utf8.hpp"

namespace multiprocessing {
namespace detail {
namespace {

using Access = ObjectAccess;

// The position that an index means in a sequence of `size`.
std::size_t index_of(const Object& sequence, const Object& index, std::size_t size) {
  std::int64_t i = 0;
  if (index.kind() == ObjectKind::kInt)
    i = Access::number<std::int64_t>(index);
  else if (index.kind() == ObjectKind::kBool)
    i = Access::number<bool>(index) ? 1 : 0;
  else
    throw TypeError(
        fmt::format("{} indices must be integers, not {}", sequence.type_name(), describe(index)));
  const auto n = static_cast<std::int64_t>(size);
  const std::int64_t at = i < 0 ? i + n : i;
  if (at < 0 || at >= n)
    throw IndexError(fmt::format("{} index {} out of range: it has {} element{}",
                                 sequence.type_name(), i, n, n == 1 ? "" : "s"));
  return static_cast<std::size_t>(at);
}

Object character_at(const Object& o, const Object& index) {
  std::string_view text = Access::text(o);
  const std::size_t skipped = index_of(o, index, wire::count_characters(text));
  for (std::size_t i = 0; i < skipped; ++i) static_cast<void>(wire::take_character(text));
  const std::string_view from = text;
  static_cast<void>(wire::take_character(text));
  return Access::make_text(from.substr(0, from.size() - text.size()));
}

Object byte_at(const Object& o, const Object& index) {
  const std::string_view bytes = Access::text(o);
  const auto byte = static_cast<unsigned char>(bytes[index_of(o, index, bytes.size())]);
  return Access::make(static_cast<std::int64_t>(byte));
}

[[noreturn]] void fail_not_iterable(const Object& o) {
  throw TypeError(
      fmt::format("'{}' object is not iterable: {}{}", o.type_name(), describe(o),
                  o.kind() == ObjectKind::kStr ? "; take as<std::string>() of it" : ""));
}

bool contains_text(const Object& o, const Object& x) {
  const std::string_view text = Access::text(o);
  if (x.kind() == o.kind()) return text.find(Access::text(x)) != std::string_view::npos;
  if (o.kind() == ObjectKind::kBytes && x.kind() == ObjectKind::kInt) {
    const auto byte = Access::number<std::int64_t>(x);
    if (byte < 0 || byte > 255)
      throw ValueError(fmt::format("byte must be in range(0, 256), not {}", byte));
    return text.find(static_cast<char>(byte)) != std::string_view::npos;
  }
  throw TypeError(fmt::format("a {} can contain a {} only, not the {}", o.type_name(),
                              o.type_name(), describe(x)));
}

}  // namespace

void fail_no_method(const Object& o, const char* method) {
  throw AttributeError(
      fmt::format("'{}' object has no attribute '{}': {}", o.type_name(), method, describe(o)));
}

ObjectIterator ObjectAccess::begin(const Object& o) {
  ObjectIterator it;
  const auto walk = [&it](const auto& items) {
    it.at_ = reinterpret_cast<const std::byte*>(items.data());
    it.stride_ = sizeof items[0];
    it.end_ = items.size();
  };
  switch (o.kind()) {
    case ObjectKind::kList:
    case ObjectKind::kTuple:
      walk(list(o));
      break;
    case ObjectKind::kDict:
      walk(dict(o).table_.entries());
      it.hash_at_ = sizeof(Object::Dict::value_type);
      break;
    case ObjectKind::kSet:
    case ObjectKind::kFrozenSet:
      walk(set(o).table_.entries());
      it.hash_at_ = sizeof(Object);
      break;
    default:
      fail_not_iterable(o);
  }
  it.whole_ = o;
  it.skip_holes();
  return it;
}

ObjectIterator ObjectAccess::end(const Object& o) {
  ObjectIterator it;
  switch (o.kind()) {
    case ObjectKind::kList:
    case ObjectKind::kTuple:
      it.position_ = list(o).size();
      break;
    case ObjectKind::kDict:
      it.position_ = dict(o).table_.entries().size();
      break;
    case ObjectKind::kSet:
    case ObjectKind::kFrozenSet:
      it.position_ = set(o).table_.entries().size();
      break;
    default:
      fail_not_iterable(o);
  }
  it.end_ = it.position_;
  return it;
}

Object ObjectAccess::as_key(Object o) {
  if (o.kind() == ObjectKind::kSet) {
    return make(Object::FrozenSet(own_set(o)));
  }
  if (o.kind() != ObjectKind::kList && o.kind() != ObjectKind::kTuple) return o;
  Object::Tuple items;
  items.reserve(list(o).size());
  for (const Object& item : list(o)) items.push_back(as_key(item));
  return make(std::move(items));
}

Object& ObjectAccess::element(Object& container, const Object& key, bool add) {
  if (container.kind() == ObjectKind::kList) {
    const std::size_t at = index_of(container, key, list(container).size());
    return own_list(container)[at];
  }
  if (container.kind() != ObjectKind::kDict)
    throw TypeError(fmt::format("'{}' object does not support item assignment: {}",
                                container.type_name(), describe(container)));
  Object::Dict& dict = own_dict(container);
  if (Object* value = dict.find(key)) return *value;
  if (add) return dict.insert_or_assign(key, Object());
  throw KeyError(fmt::format("the dict has no key {}", brief(key)));
}

}  // namespace detail

using detail::ObjectAccess;

Object::operator bool() const noexcept {
  switch (kind()) {
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return ObjectAccess::number<bool>(*this);
    case Kind::kInt:
      return ObjectAccess::number<std::int64_t>(*this) != 0;
    case Kind::kFloat:
      return ObjectAccess::number<double>(*this) != 0;
    case Kind::kStr:
    case Kind::kBytes:
      return !ObjectAccess::text(*this).empty();
    case Kind::kList:
    case Kind::kTuple:
      return !ObjectAccess::list(*this).empty();
    case Kind::kDict:
      return !ObjectAccess::dict(*this).empty();
    case Kind::kSet:
    case Kind::kFrozenSet:
      break;
    case Kind::kHandle:
      return true;
  }
  return !ObjectAccess::set(*this).empty();
}

std::size_t Object::size() const {
  switch (kind()) {
    case Kind::kStr:
      return wire::count_characters(ObjectAccess::text(*this));
    case Kind::kBytes:
      return ObjectAccess::text(*this).size();
    case Kind::kList:
    case Kind::kTuple:
      return ObjectAccess::list(*this).size();
    case Kind::kDict:
      return ObjectAccess::dict(*this).size();
    case Kind::kSet:
    case Kind::kFrozenSet:
      return ObjectAccess::set(*this).size();
    default:
      break;
  }
  throw TypeError(
      fmt::format("object of type '{}' has no size: {}", type_name(), detail::describe(*this)));
}

bool Object::contains(const Object& x) const {
  switch (kind()) {
    case Kind::kStr:
    case Kind::kBytes:
      return detail::contains_text(*this, x);
    case Kind::kList:
    case Kind::kTuple: {
      const List& items = ObjectAccess::list(*this);
      return std::find(items.begin(), items.end(), x) != items.end();
    }
    case Kind::kDict:
      return ObjectAccess::dict(*this).contains(x);
    case Kind::kSet:
    case Kind::kFrozenSet:
      return ObjectAccess::set(*this).contains(x);
    default:
      detail::fail_not_iterable(*this);
  }
}

Object::const_iterator Object::begin() const { return ObjectAccess::begin(*this); }
Object::const_iterator Object::end() const { return ObjectAccess::end(*this); }

Object Object::operator[](const Object& key) const& {
  switch (kind()) {
    case Kind::kStr:
      return detail::character_at(*this, key);
    case Kind::kBytes:
      return detail::byte_at(*this, key);
    case Kind::kList:
    case Kind::kTuple: {
      const List& items = ObjectAccess::list(*this);
      return items[detail::index_of(*this, key, items.size())];
    }
    case Kind::kDict:
      return ObjectAccess::dict(*this).at(key);
    default:
      break;
  }
  throw TypeError(fmt::format("'{}' object is not subscriptable: {} has no element {}", type_name(),
                              detail::describe(*this), detail::brief(key)));
}

Object Object::get(const Object& key, Object fallback) const {
  detail::require(*this, Kind::kDict, "get");
  const Object* value = ObjectAccess::dict(*this).find(key);
  if (value != nullptr) return *value;
  return fallback;
}

Object::List Object::keys() const {
  detail::require(*this, Kind::kDict, "keys");
  List keys;
  keys.reserve(size());
  for (const auto& item : ObjectAccess::dict(*this)) keys.push_back(item.first);
  return keys;
}

Object::List Object::values() const {
  detail::require(*this, Kind::kDict, "values");
  List values;
  values.reserve(size());
  for (const auto& item : ObjectAccess::dict(*this)) values.push_back(item.second);
  return values;
}

std::vector<std::pair<Object, Object>> Object::items() const {
  detail::require(*this, Kind::kDict, "items");
  const Dict& dict = ObjectAccess::dict(*this);
  return {dict.begin(), dict.end()};
}

}  // namespace multiprocessing
