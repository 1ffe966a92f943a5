// SPDX-License-Identifier: BSL-1.0
// Objects read as C++ values: is<T>(), as<T>() and visit().
#pragma once
#include <multiprocessing/detail/object_access.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>
#include <vector>

namespace multiprocessing {
namespace detail {

/// Where a value stands. What is nested in another may be converted a little: an int where a
/// double is asked for; in the place of a key, a tuple is the counterpart of a list.
enum class ObjectPlace { kTop, kNested, kKey };

template <class T, ObjectPlace place> bool object_holds(const Object& o);

template <class T, ObjectPlace place> bool holds_each(const Object::List& items) {
  return std::all_of(items.begin(), items.end(),
                     [](const Object& item) { return object_holds<T, place>(item); });
}

template <class T, ObjectPlace place, std::size_t... I>
bool holds_tuple(const Object::List& items, std::index_sequence<I...>) {
  return items.size() == sizeof...(I) &&
         (object_holds<std::tuple_element_t<I, T>, place>(items[I]) && ...);
}

template <class T, ObjectPlace place> struct HoldsOneOf;
template <class... Ts, ObjectPlace place> struct HoldsOneOf<std::variant<Ts...>, place> {
  static bool check(const Object& o) { return (object_holds<Ts, place>(o) || ...); }
};

template <class T, ObjectPlace place> bool object_holds(const Object& o) {
  using enum ObjectForm;
  constexpr ObjectForm form = object_form<T>();
  constexpr ObjectPlace inside =
      place == ObjectPlace::kKey ? ObjectPlace::kKey : ObjectPlace::kNested;
  const ObjectKind kind = o.kind();
  if constexpr (form == kObject)
    return true;
  else if constexpr (std::is_same_v<T, Object::Tuple>)
    return kind == ObjectKind::kTuple;
  else if constexpr (std::is_same_v<T, Object::Dict>)
    return kind == ObjectKind::kDict;
  else if constexpr (std::is_same_v<T, Object::FrozenSet>)
    return kind == ObjectKind::kFrozenSet;
  else if constexpr (std::is_same_v<T, Object::Set>)
    return kind == ObjectKind::kSet || kind == ObjectKind::kFrozenSet;
  else if constexpr (form == kNone)
    return kind == ObjectKind::kNone;
  else if constexpr (form == kBool)
    return kind == ObjectKind::kBool;
  else if constexpr (form == kInt || form == kEnum)
    return kind == ObjectKind::kInt;
  else if constexpr (form == kFloat)
    return kind == ObjectKind::kFloat || (place != ObjectPlace::kTop && kind == ObjectKind::kInt);
  else if constexpr (form == kText)
    return kind == ObjectKind::kStr;
  else if constexpr (form == kBytes)
    return kind == ObjectKind::kBytes &&
           (!kIsArray<T> || ObjectAccess::text(o).size() == kArraySize<T>);
  else if constexpr (form == kOptional)
    return kind == ObjectKind::kNone || object_holds<typename T::value_type, place>(o);
  else if constexpr (form == kVariant)
    return HoldsOneOf<T, place>::check(o);
  else if constexpr (form == kTuple)
    return kind == ObjectKind::kTuple &&
           holds_tuple<T, inside>(ObjectAccess::list(o),
                                  std::make_index_sequence<std::tuple_size_v<T>>());
  else if constexpr (form == kDict) {
    if (kind != ObjectKind::kDict) return false;
    const Object::Dict& dict = ObjectAccess::dict(o);
    return std::all_of(dict.begin(), dict.end(), [](const auto& item) {
      return object_holds<typename T::key_type, ObjectPlace::kKey>(item.first) &&
             object_holds<typename T::mapped_type, ObjectPlace::kNested>(item.second);
    });
  } else if constexpr (form == kSet) {
    if (kind != ObjectKind::kSet && kind != ObjectKind::kFrozenSet) return false;
    const Object::Set& set = ObjectAccess::set(o);
    return std::all_of(set.begin(), set.end(), [](const Object& item) {
      return object_holds<typename T::key_type, ObjectPlace::kKey>(item);
    });
  } else if constexpr (form == kHandle) {
    return kind == ObjectKind::kHandle && HandleForm<T>::holds(o);
  } else {
    static_assert(form == kList);
    if (kind != ObjectKind::kList && !(place == ObjectPlace::kKey && kind == ObjectKind::kTuple))
      return false;
    const Object::List& items = ObjectAccess::list(o);
    if (kIsArray<T> && items.size() != kArraySize<T>) return false;
    return holds_each<element_t<T>, inside>(items);
  }
}

template <class T, ObjectPlace place> T read_object(const Object& o);

template <class T> T read_int(const Object& o) {
  using Limits = std::numeric_limits<T>;
  const auto value = ObjectAccess::number<std::int64_t>(o);
  bool fits = true;
  if constexpr (std::is_unsigned_v<T>)
    fits = value >= 0 && static_cast<std::uint64_t>(value) <= Limits::max();
  else
    fits = value >= Limits::min() && value <= Limits::max();
  if (!fits) ObjectAccess::fail_range(o, typeid(T));
  return static_cast<T>(value);
}

template <class T> T read_float(const Object& o) {
  if (o.kind() == ObjectKind::kInt) return static_cast<T>(ObjectAccess::number<std::int64_t>(o));
  return static_cast<T>(ObjectAccess::number<double>(o));
}

template <class T, ObjectPlace place, std::size_t... I>
T read_tuple(const Object::List& items, std::index_sequence<I...>) {
  return T(read_object<std::tuple_element_t<I, T>, place>(items[I])...);
}

/// The first alternative that holds it as it is, else the first that it can be converted to.
template <class T, ObjectPlace place> struct ReadOneOf;
template <class... Ts, ObjectPlace place> struct ReadOneOf<std::variant<Ts...>, place> {
  using Variant = std::variant<Ts...>;

  template <ObjectPlace how> static bool try_all(const Object& o, std::optional<Variant>& result) {
    return try_each<how>(o, result, std::index_sequence_for<Ts...>());
  }
  template <ObjectPlace how, std::size_t... I>
  static bool try_each(const Object& o, std::optional<Variant>& result, std::index_sequence<I...>) {
    return ((object_holds<Ts, how>(o) &&
             (result.emplace(std::in_place_index<I>, read_object<Ts, how>(o)), true)) ||
            ...);
  }
  static Variant get(const Object& o) {
    constexpr ObjectPlace strict = place == ObjectPlace::kKey ? place : ObjectPlace::kTop;
    std::optional<Variant> result;
    if (!try_all<strict>(o, result) && !try_all<ObjectPlace::kNested>(o, result))
      ObjectAccess::fail_type(o, typeid(Variant));
    return *std::move(result);
  }
};

template <class T, ObjectPlace place> T read_list(const Object::List& items) {
  if constexpr (kIsArray<T>) {
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      return T{read_object<element_t<T>, place>(items[I])...};
    }
    (std::make_index_sequence<kArraySize<T>>());
  } else {
    T result;
    if constexpr (requires { result.reserve(items.size()); }) result.reserve(items.size());
    for (const Object& item : items) result.push_back(read_object<element_t<T>, place>(item));
    return result;
  }
}

template <class T, ObjectPlace place> T read_map(const Object::Dict& dict) {
  T result;
  if constexpr (requires { result.reserve(dict.size()); }) result.reserve(dict.size());
  for (const auto& [key, value] : dict) {
    result.emplace(read_object<typename T::key_type, ObjectPlace::kKey>(key),
                   read_object<typename T::mapped_type, ObjectPlace::kNested>(value));
  }
  return result;
}

template <class T> T read_set(const Object::Set& set) {
  T result;
  if constexpr (requires { result.reserve(set.size()); }) result.reserve(set.size());
  for (const Object& item : set)
    result.insert(read_object<typename T::key_type, ObjectPlace::kKey>(item));
  return result;
}

/// Whether T's own kind is there, whatever the elements: those complain for themselves.
template <class T, ObjectPlace place> bool holds_outside(const Object& o) {
  using enum ObjectForm;
  constexpr ObjectForm form = object_form<T>();
  if constexpr (form == kDict)
    return o.kind() == ObjectKind::kDict;
  else if constexpr (form == kSet)
    return o.kind() == ObjectKind::kSet || o.kind() == ObjectKind::kFrozenSet;
  else if constexpr (form == kTuple)
    return o.kind() == ObjectKind::kTuple && ObjectAccess::list(o).size() == std::tuple_size_v<T>;
  else if constexpr (form == kList)
    return (o.kind() == ObjectKind::kList ||
            (place == ObjectPlace::kKey && o.kind() == ObjectKind::kTuple)) &&
           (!kIsArray<T> || ObjectAccess::list(o).size() == kArraySize<T>);
  else if constexpr (form == kOptional || form == kVariant)
    return true;
  else
    return object_holds<T, ObjectPlace::kNested>(o);
}

template <class T, ObjectPlace place> T read_object(const Object& o) {
  using enum ObjectForm;
  constexpr ObjectForm form = object_form<T>();
  constexpr ObjectPlace inside =
      place == ObjectPlace::kKey ? ObjectPlace::kKey : ObjectPlace::kNested;
  if (!holds_outside<T, place>(o)) ObjectAccess::fail_type(o, typeid(T));
  if constexpr (form == kObject)
    return o;
  else if constexpr (std::is_same_v<T, Object::Tuple>)
    return ObjectAccess::tuple(o);
  else if constexpr (std::is_same_v<T, Object::Dict>)
    return ObjectAccess::dict(o);
  else if constexpr (std::is_same_v<T, Object::Set>)
    return ObjectAccess::set(o);
  else if constexpr (std::is_same_v<T, Object::FrozenSet>)
    return ObjectAccess::frozenset(o);
  else if constexpr (form == kNone)
    return T{};
  else if constexpr (form == kBool)
    return ObjectAccess::number<bool>(o);
  else if constexpr (form == kInt)
    return read_int<T>(o);
  else if constexpr (form == kEnum)
    return static_cast<T>(read_int<std::underlying_type_t<T>>(o));
  else if constexpr (form == kFloat)
    return read_float<T>(o);
  else if constexpr (form == kText)
    return std::string(ObjectAccess::text(o));
  else if constexpr (form == kBytes) {
    T result;
    const std::string_view bytes = ObjectAccess::text(o);
    if constexpr (!kIsArray<T>) result.resize(bytes.size());
    if (!bytes.empty()) std::memcpy(result.data(), bytes.data(), bytes.size());
    return result;
  } else if constexpr (form == kOptional) {
    if (o.is_none()) return std::nullopt;
    return read_object<typename T::value_type, place>(o);
  } else if constexpr (form == kVariant) {
    return ReadOneOf<T, place>::get(o);
  } else if constexpr (form == kTuple) {
    return read_tuple<T, inside>(ObjectAccess::list(o),
                                 std::make_index_sequence<std::tuple_size_v<T>>());
  } else if constexpr (form == kDict) {
    return read_map<T, inside>(ObjectAccess::dict(o));
  } else if constexpr (form == kSet) {
    return read_set<T>(ObjectAccess::set(o));
  } else if constexpr (form == kHandle) {
    return HandleForm<T>::read(o);
  } else {
    return read_list<T, inside>(ObjectAccess::list(o));
  }
}

/// Matches a parameter that takes anything.
struct Anything {};

/// Calls `f` with None in the form that it takes.
template <class F> decltype(auto) visit_none(F& f) {
  if constexpr (!std::is_invocable_v<F&, Anything> && std::is_invocable_v<F&, std::monostate>)
    return f(std::monostate());
  else
    return f(nullptr);
}

template <class F>
using VisitResult = std::common_type_t<
    decltype(visit_none(std::declval<F&>())), std::invoke_result_t<F&, bool>,
    std::invoke_result_t<F&, std::int64_t>, std::invoke_result_t<F&, double>,
    std::invoke_result_t<F&, const std::string&>,
    std::invoke_result_t<F&, const std::vector<std::byte>&>,
    std::invoke_result_t<F&, const Object::List&>, std::invoke_result_t<F&, const Object::Tuple&>,
    std::invoke_result_t<F&, const Object::Dict&>, std::invoke_result_t<F&, const Object::Set&>,
    std::invoke_result_t<F&, const Object::FrozenSet&>>;

template <class F> VisitResult<F> visit_object(const Object& o, F& f) {
  switch (o.kind()) {
    case ObjectKind::kNone:
      return visit_none(f);
    case ObjectKind::kBool:
      return f(ObjectAccess::number<bool>(o));
    case ObjectKind::kInt:
      return f(ObjectAccess::number<std::int64_t>(o));
    case ObjectKind::kFloat:
      return f(ObjectAccess::number<double>(o));
    case ObjectKind::kStr: {
      std::string room;
      return f(ObjectAccess::text(o, room));
    }
    case ObjectKind::kBytes: {
      std::vector<std::byte> room;
      return f(ObjectAccess::bytes(o, room));
    }
    case ObjectKind::kList:
      return f(ObjectAccess::list(o));
    case ObjectKind::kTuple:
      return f(ObjectAccess::tuple(o));
    case ObjectKind::kDict:
      return f(ObjectAccess::dict(o));
    case ObjectKind::kSet:
      return f(ObjectAccess::set(o));
    case ObjectKind::kFrozenSet:
      break;
    case ObjectKind::kHandle:
      ObjectAccess::fail_visit(o);
  }
  return f(ObjectAccess::frozenset(o));
}

}  // namespace detail

template <class T> bool Object::is() const {
  static_assert(detail::has_object_form<T>(), "T has no counterpart in Python, and is no handle");
  return detail::object_holds<T, detail::ObjectPlace::kTop>(*this);
}

template <class T> T Object::as() const {
  static_assert(
      detail::has_object_reader<T>(),
      "an Object cannot be read as T: it has no counterpart in Python and is no handle, or "
      "it does not own what it shows (write std::string for std::string_view and const char*)");
  return detail::read_object<T, detail::ObjectPlace::kTop>(*this);
}

template <class F> decltype(auto) Object::visit(F&& f) const {
  return detail::visit_object(*this, f);
}

}  // namespace multiprocessing
