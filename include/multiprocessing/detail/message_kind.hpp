// SPDX-License-Identifier: BSL-1.0
// Which of the ways to travel is a type's: the first of the list that fits.
#pragma once
#include <multiprocessing/detail/aggregate.hpp>
#include <multiprocessing/detail/message_traits.hpp>
#include <multiprocessing/detail/type_name.hpp>

#include <concepts>
#include <type_traits>

namespace boost::serialization {
class access;
}

namespace multiprocessing::detail {

enum class MessageKind {
  kTraveller,  // has a Traveller<T>
  kHandle,     // a handle class: HandleAccess can open it
  kObject,     // mp::Object
  kBitwise,    // opted in by is_bitwise<T>
  kScalar,     // a number, an enum, nullptr_t
  kStandard,   // a type of the standard library: StandardCodec<T>
  kBoost,      // has `serialize`
  kAggregate,  // member by member
  kRefused,
};

/// How a type of the standard library travels; specialised for each in codec_*.hpp.
template <class T> struct StandardCodec;

template <class T>
concept Complete = requires {
  sizeof(T);
};

template <class T>
concept HandleClass = requires(const T& t) {
  { HandleAccess::get(t) } -> std::same_as<const Handle&>;
};

// A member named `serialize` of whatever access: together with this one the name is ambiguous.
struct SerializeMember {
  int serialize;
};
template <class T> struct WithSerializeMember : T, SerializeMember {};

// A free `serialize`, which may be in the namespace of T or in boost::serialization. The latter
// has one for every type already, which the overload here makes ambiguous; only a more special one
// is left to be called. A namespace of its own, which nobody's call searches but ours.
namespace probing {
struct Archive {};
// Its argument makes boost::serialization a namespace to be searched.
template <class> struct Version { operator unsigned() const; };
template <class A, class T> void serialize(A&, T&, unsigned);

template <class T>
concept FreeSerialize = requires(Archive& archive, T& t) {
  serialize(archive, t, Version<boost::serialization::access>{});
};

template <class T>
concept PublicSerialize = requires(Archive& archive, T& t) {
  t.serialize(archive, 0U);
};
}  // namespace probing

template <class T> consteval bool has_member_serialize() {
  if constexpr (!std::is_class_v<T>) {
    return false;
  } else if constexpr (std::is_final_v<T>) {
    // Nothing derives from it, so a private member cannot be told from none. A class that is no
    // aggregate has no other way to travel.
    return probing::PublicSerialize<T> || !std::is_aggregate_v<T>;
  } else {
    return !requires { &WithSerializeMember<T>::serialize; };
  }
}

/// Boost.Serialization can take it.
template <class T>
concept HasSerialize = has_member_serialize<T>() ||(std::is_class_v<T>&& probing::FreeSerialize<T>);

template <class... Parts> consteval bool has_c_array(Types<Parts...>) {
  return (... || std::is_array_v<Parts>);
}

template <class T, class... Parts> consteval bool rebuilt_from(Types<Parts...>) {
  return requires { T{std::declval<std::remove_const_t<Parts>>()...}; };
}

/// Whether a T can be taken apart and put together again.
template <class T> consteval bool is_plain_aggregate() {
  // NOLINTNEXTLINE(bugprone-branch-clone): what is asked later may be asked of the others only
  if constexpr (!std::is_aggregate_v<T> || std::is_union_v<T> || HasBaseClass<T>) {
    return false;
  } else if constexpr (kFields<T> == 0) {
    return std::is_empty_v<T>;
  } else if constexpr (kFields<T> > kFieldsMax) {
    return false;
  } else if constexpr (has_c_array(FieldTypes<T>{})) {
    return std::is_default_constructible_v<T>;
  } else {
    return rebuilt_from<T>(FieldTypes<T>{});
  }
}

template <class T> consteval MessageKind kind_of() {
  // NOLINTNEXTLINE(bugprone-branch-clone): what is asked later may be asked of the others only
  if constexpr (!std::is_object_v<T> || std::is_pointer_v<T> || std::is_member_pointer_v<T>) {
    return MessageKind::kRefused;
  } else if constexpr (Complete<Traveller<T>>) {
    return MessageKind::kTraveller;
  } else if constexpr (std::is_same_v<T, Object>) {
    return MessageKind::kObject;
  } else if constexpr (std::is_class_v<T> && HandleClass<T>) {
    return MessageKind::kHandle;
  } else if constexpr (is_bitwise<T>) {
    static_assert(std::is_trivially_copyable_v<T>,
                  "multiprocessing: is_bitwise is for trivially copyable classes only. Give this "
                  "one a serialize function instead.");
    return MessageKind::kBitwise;
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T> || std::is_null_pointer_v<T>) {
    return MessageKind::kScalar;
  } else if constexpr (Complete<StandardCodec<T>>) {
    return MessageKind::kStandard;
  } else if constexpr (HasSerialize<T>) {
    return MessageKind::kBoost;
  } else if constexpr (is_plain_aggregate<T>()) {
    return MessageKind::kAggregate;
  } else {
    return MessageKind::kRefused;
  }
}

template <class T> inline constexpr MessageKind kKind = kind_of<T>();

}  // namespace multiprocessing::detail
