// SPDX-License-Identifier: BSL-1.0
// Which C++ type is the counterpart of which Python type, and which is a handle, that an Object
// can hold although Python's pickles cannot.
#pragma once
#include <multiprocessing/detail/message_traits.hpp>

#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace multiprocessing::detail {

class ObjectTuple;
class ObjectDict;
class ObjectSet;
class ObjectFrozenSet;

/// What a C++ type is in an Object.
enum class ObjectForm {
  kNothing,       // it has no counterpart
  kObject,        // any of the others, known only at run time
  kOwnContainer,  // Object::Tuple, Object::Dict…
  kNone,
  kBool,
  kInt,
  kEnum,  // an int
  kFloat,
  kText,
  kBytes,
  kOptional,  // what it holds, or None
  kVariant,   // what it holds
  kTuple,
  kDict,
  kSet,
  kList,
  kHandle,  // the same thing for every process
};

template <class T> inline constexpr bool kIsOptional = false;
template <class T> inline constexpr bool kIsOptional<std::optional<T>> = true;

template <class T> inline constexpr bool kIsVariant = false;
template <class... Ts> inline constexpr bool kIsVariant<std::variant<Ts...>> = true;

template <class T> inline constexpr bool kIsTuple = false;
template <class... Ts> inline constexpr bool kIsTuple<std::tuple<Ts...>> = true;
template <class A, class B> inline constexpr bool kIsTuple<std::pair<A, B>> = true;

template <class T> inline constexpr std::size_t kArraySize = 0;
template <class T, std::size_t N> inline constexpr std::size_t kArraySize<std::array<T, N>> = N;
template <class T> inline constexpr bool kIsArray = false;
template <class T, std::size_t N> inline constexpr bool kIsArray<std::array<T, N>> = true;

template <class T> inline constexpr bool kIsSpan = false;
template <class T, std::size_t N> inline constexpr bool kIsSpan<std::span<T, N>> = true;

/// A container of the standard library or one made after it. Handles that can be iterated (an
/// Array, a ListProxy) are none: they travel as handles and never become a copy unasked.
template <class T>
concept OwningContainer = requires(const T& c) {
  typename T::allocator_type;
  typename T::value_type;
  c.begin();
  c.end();
}
&&!std::is_same_v<typename T::value_type, T>;

/// Neither multimap nor multiset: what Python has keeps one element for a key.
template <class T>
concept UniqueKeys = OwningContainer<T> && requires(T& c, typename T::value_type v) {
  typename T::key_type;
  c.insert(v).second;
};

template <class T>
concept MapLike = UniqueKeys<T> && requires {
  typename T::mapped_type;
};

template <class T>
concept SetLike = UniqueKeys<T> && !requires {
  typename T::mapped_type;
};

template <class T>
concept ListLike = (OwningContainer<T> && !requires { typename T::key_type; }) || kIsArray<T> ||
                   kIsSpan<T> || std::is_bounded_array_v<T>;

template <class T>
concept TextLike =
    std::is_convertible_v<const T&, std::string_view> && !std::is_same_v<T, std::nullptr_t>;

template <class T>
concept HandleLike = requires {
  sizeof(HandleForm<T>);
};

/// The element of a ListLike.
template <class T>
using element_t =
    std::remove_cvref_t<decltype(*std::begin(std::declval<const std::remove_reference_t<T>&>()))>;

/// T without reference and cv.
template <class T> consteval ObjectForm object_form() {
  using enum ObjectForm;
  if constexpr (std::is_same_v<T, Object>)
    return kObject;
  else if constexpr (std::is_same_v<T, ObjectTuple> || std::is_same_v<T, ObjectDict> ||
                     std::is_same_v<T, ObjectSet> || std::is_same_v<T, ObjectFrozenSet>)
    return kOwnContainer;
  else if constexpr (std::is_same_v<T, std::nullptr_t> || std::is_same_v<T, std::monostate> ||
                     std::is_same_v<T, std::nullopt_t>)
    return kNone;
  else if constexpr (std::is_same_v<T, bool>)
    return kBool;
  else if constexpr (std::is_integral_v<T>)
    return kInt;
  else if constexpr (std::is_enum_v<T>)
    return kEnum;
  else if constexpr (std::is_floating_point_v<T>)
    return kFloat;
  else if constexpr (TextLike<T>)
    return kText;
  else if constexpr (kIsOptional<T>)
    return kOptional;
  else if constexpr (kIsVariant<T>)
    return kVariant;
  else if constexpr (kIsTuple<T>)
    return kTuple;
  else if constexpr (MapLike<T>)
    return kDict;
  else if constexpr (SetLike<T>)
    return kSet;
  else if constexpr (ListLike<T>) {
    constexpr bool contiguous = requires(const T& c) {
      c.data();
      c.size();
    };
    return contiguous && std::is_same_v<element_t<T>, std::byte> ? kBytes : kList;
  } else if constexpr (HandleLike<T>)
    return kHandle;
  else
    return kNothing;
}

template <class T> consteval bool has_object_form();

/// The same for all alternatives of a variant, all elements of a tuple.
template <class T> inline constexpr bool kAllHaveForm = false;
template <template <class...> class Of, class... Ts>
inline constexpr bool kAllHaveForm<Of<Ts...>> = (has_object_form<std::remove_cvref_t<Ts>>() && ...);

/// Whether an Object can be made of a T. Looks into containers.
template <class T> consteval bool has_object_form() {
  using enum ObjectForm;
  constexpr ObjectForm form = object_form<T>();
  if constexpr (form == kNothing)
    return false;
  else if constexpr (form == kOptional)
    return has_object_form<typename T::value_type>();
  else if constexpr (form == kVariant || form == kTuple)
    return kAllHaveForm<T>;
  else if constexpr (form == kDict)
    return has_object_form<typename T::key_type>() && has_object_form<typename T::mapped_type>();
  else if constexpr (form == kSet)
    return has_object_form<typename T::key_type>();
  else if constexpr (form == kList)
    return has_object_form<element_t<T>>();
  else
    return true;
}

template <class T> consteval bool has_object_reader();

template <class T> inline constexpr bool kAllHaveReader = false;
template <template <class...> class Of, class... Ts>
inline constexpr bool kAllHaveReader<Of<Ts...>> = (has_object_reader<Ts>() && ...);

/// Whether `Object::as<T>` exists: T has a form and owns what it is made of.
template <class T> consteval bool has_object_reader() {
  using enum ObjectForm;
  constexpr ObjectForm form = object_form<T>();
  if constexpr (form == kText)
    return std::is_same_v<T, std::string>;
  else if constexpr (form == kBytes)
    return OwningContainer<T> || kIsArray<T>;
  else if constexpr (form == kOptional)
    return has_object_reader<typename T::value_type>();
  else if constexpr (form == kVariant || form == kTuple)
    return kAllHaveReader<T>;
  else if constexpr (form == kDict)
    return has_object_reader<typename T::key_type>() &&
           has_object_reader<typename T::mapped_type>();
  else if constexpr (form == kSet)
    return has_object_reader<typename T::key_type>();
  else if constexpr (form == kList) {
    if constexpr (kIsArray<T>)
      return has_object_reader<element_t<T>>();
    else if constexpr (requires(T & c, element_t<T> e) { c.push_back(e); })
      return has_object_reader<element_t<T>>();
    else
      return false;
  } else {
    return form != kNothing && !std::is_same_v<T, std::nullopt_t>;
  }
}

/// Of what an Object can be made, beside Object itself.
template <class T>
concept ObjectSource =
    !std::is_same_v<std::remove_cvref_t<T>, Object> && has_object_form<std::remove_cvref_t<T>>();

/// What Object::list and its like take apart. A text is no list of characters unasked.
template <class T>
concept ObjectRange = !TextLike<T> && requires(const T& items) {
  std::begin(items) != std::end(items);
};

}  // namespace multiprocessing::detail
