// SPDX-License-Identifier: BSL-1.0
// Objects made of C++ values. Templates take containers apart; the rest is in the library.
#pragma once
#include <multiprocessing/detail/object_access.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace multiprocessing {
namespace detail {

/// Makes the Object; `T` as a forwarding reference.
template <class T> Object make_object(T&& value);

/// An element on its way out of a container: moved if the container is given away.
template <class Container, class Element> Object make_element(Element&& element) {
  using Plain = std::remove_cvref_t<Container>;
  using Value = element_t<Plain>;
  if constexpr (OwningContainer<Plain> && !std::is_lvalue_reference_v<Container> &&
                std::is_same_v<Element&&, Value&>) {
    return make_object(static_cast<Value&&>(element));
  } else {
    return make_object(static_cast<const Value&>(element));  // a vector<bool>'s reference, too
  }
}

/// A list in the place of a key becomes a tuple, a set a frozenset; where the program says Object,
/// it gets what it says.
template <class T> Object make_key(Object key) {
  if constexpr (std::is_same_v<T, Object>)
    return key;
  else
    return ObjectAccess::as_key(std::move(key));
}

template <class Items, class Container> Items make_items(Container&& container) {
  Items items;
  if constexpr (requires { items.reserve(std::size(container)); })
    items.reserve(std::size(container));
  for (auto&& element : container) {
    if constexpr (std::is_base_of_v<Object::Set, Items>)
      items.insert(make_key<element_t<Container>>(make_element<Container>(element)));
    else
      items.push_back(make_element<Container>(element));
  }
  return items;
}

template <class Map> Object::Dict make_dict(const Map& map) {
  Object::Dict items;
  if constexpr (requires { items.reserve(std::size(map)); }) items.reserve(std::size(map));
  for (const auto& [key, value] : map) {
    using Key = std::remove_cvref_t<decltype(key)>;
    items.insert_or_assign(make_key<Key>(make_object(key)), make_object(value));
  }
  return items;
}

template <class T> Object make_int(T value) {
  if constexpr (std::is_unsigned_v<T> && sizeof(T) >= sizeof(std::int64_t)) {
    if (value > static_cast<T>(std::numeric_limits<std::int64_t>::max()))
      ObjectAccess::fail_unsigned(static_cast<std::uint64_t>(value));
  }
  return ObjectAccess::make(static_cast<std::int64_t>(value));
}

template <class T> Object make_text_of(T&& value) {
  using Plain = std::remove_cvref_t<T>;
  if constexpr (std::is_same_v<T, std::string>)
    return ObjectAccess::make_text(std::forward<T>(value));
  else if constexpr (std::is_pointer_v<std::decay_t<Plain>>)
    return ObjectAccess::make_text(static_cast<const char*>(value));
  else
    return ObjectAccess::make_text(static_cast<std::string_view>(value));
}

template <class T> Object make_object(T&& value) {
  using enum ObjectForm;
  using Plain = std::remove_cvref_t<T>;
  constexpr ObjectForm form = object_form<Plain>();
  if constexpr (form == kObject)
    return std::forward<T>(value);
  else if constexpr (form == kOwnContainer)
    return ObjectAccess::make(Plain(std::forward<T>(value)));
  else if constexpr (form == kNone)
    return {};
  else if constexpr (form == kBool)
    return ObjectAccess::make(static_cast<bool>(value));
  else if constexpr (form == kInt)
    return make_int(static_cast<Plain>(value));
  else if constexpr (form == kEnum)
    return make_int(static_cast<std::underlying_type_t<Plain>>(value));
  else if constexpr (form == kFloat)
    return ObjectAccess::make(static_cast<double>(value));
  else if constexpr (form == kText)
    return make_text_of(std::forward<T>(value));
  else if constexpr (form == kBytes) {
    if constexpr (std::is_same_v<T, std::vector<std::byte>>)
      return ObjectAccess::make_bytes(std::forward<T>(value));
    else
      return ObjectAccess::make_bytes(std::span<const std::byte>(value.data(), value.size()));
  } else if constexpr (form == kOptional) {
    return value ? make_object(*std::forward<T>(value)) : Object();
  } else if constexpr (form == kVariant) {
    return std::visit([](auto&& held) { return make_object(std::forward<decltype(held)>(held)); },
                      std::forward<T>(value));
  } else if constexpr (form == kTuple) {
    Object::Tuple items;
    items.reserve(std::tuple_size_v<Plain>);
    std::apply(
        [&](auto&&... e) { (items.push_back(make_object(std::forward<decltype(e)>(e))), ...); },
        std::forward<T>(value));
    return ObjectAccess::make(std::move(items));
  } else if constexpr (form == kDict) {
    return ObjectAccess::make(make_dict(value));
  } else if constexpr (form == kSet) {
    return ObjectAccess::make(make_items<Object::Set>(std::forward<T>(value)));
  } else if constexpr (form == kHandle) {
    return HandleForm<Plain>::make(value);
  } else {
    static_assert(form == kList);
    return ObjectAccess::make(make_items<Object::List>(std::forward<T>(value)));
  }
}

}  // namespace detail

template <detail::ObjectSource T>
Object::Object(T&& value) : Object(detail::make_object(std::forward<T>(value))) {}

template <detail::ObjectRange Range> Object Object::list(const Range& items) {
  return detail::ObjectAccess::make(detail::make_items<List>(items));
}
template <detail::ObjectRange Range> Object Object::tuple(const Range& items) {
  return detail::ObjectAccess::make(detail::make_items<Tuple>(items));
}
template <detail::ObjectRange Range> Object Object::set(const Range& items) {
  return detail::ObjectAccess::make(detail::make_items<Set>(items));
}
template <detail::ObjectRange Range> Object Object::frozenset(const Range& items) {
  return detail::ObjectAccess::make(detail::make_items<FrozenSet>(items));
}
template <detail::ObjectRange Range> Object Object::dict(const Range& items) {
  return detail::ObjectAccess::make(detail::make_dict(items));
}

}  // namespace multiprocessing
