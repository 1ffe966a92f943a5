// SPDX-License-Identifier: BSL-1.0
// std::optional, std::variant and std::tuple that hold something which only Boost can take; Boost
// itself knows none of the three before 1.84. Also values that have no default constructor.
#pragma once
#include <multiprocessing/detail/codec_composed.hpp>

#include <boost/serialization/serialization.hpp>
#include <boost/serialization/version.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

namespace multiprocessing::detail {

/// Memory for a value that only Boost's access can construct: its constructor may be private, or
/// the user's load_construct_data may call one with arguments.
template <class T> class Slot {
 public:
  template <class Archive> explicit Slot(Archive& archive) {
    boost::serialization::load_construct_data_adl(archive, &value_,
                                                  boost::serialization::version<T>::value);
  }
  ~Slot() { value_.~T(); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  T& value() { return value_; }

 private:
  union {
    T value_;
  };
};

/// What Slot needs to construct the value, and the value.
template <class Archive, class T> void save_constructed(Archive& archive, const T& value) {
  if constexpr (!std::is_default_constructible_v<T>) {
    boost::serialization::save_construct_data_adl(archive, &value,
                                                  boost::serialization::version<T>::value);
  }
  archive << value;
}

/// Loads a T and gives it to `emplace`, which answers where it put it; pointers to the value that
/// are loaded later have to find it there.
template <class T, class Archive, class Emplace>
void load_constructed(Archive& archive, Emplace emplace) {
  if constexpr (std::is_default_constructible_v<T>) {
    archive >> emplace();
  } else {
    Slot<T> slot(archive);
    archive >> slot.value();
    archive.reset_object_address(&emplace(std::move(slot.value())), &slot.value());
  }
}

template <class T> inline constexpr bool kByParts = false;
template <class T> inline constexpr bool kByParts<std::optional<T>> = true;
template <class... T> inline constexpr bool kByParts<std::variant<T...>> = true;
template <class... T> inline constexpr bool kByParts<std::tuple<T...>> = true;

template <class T>
concept ByParts = kByParts<T>;

template <class Archive, class T> void save_parts(Archive& archive, const std::optional<T>& value) {
  archive << value.has_value();
  if (value) save_constructed(archive, *value);
}

template <class Archive, class T> void load_parts(Archive& archive, std::optional<T>& value) {
  bool has_value = false;
  archive >> has_value;
  value.reset();
  if (!has_value) return;
  load_constructed<T>(archive, [&value]<class... From>(From&&... from) -> T& {
    return value.emplace(std::forward<From>(from)...);
  });
}

template <class Archive, class... T>
void save_parts(Archive& archive, const std::variant<T...>& value) {
  if (value.valueless_by_exception()) fail_valueless_variant();
  archive << static_cast<std::uint8_t>(value.index());
  std::visit([&archive](const auto& held) { save_constructed(archive, held); }, value);
}

template <class Archive, class... T> void load_parts(Archive& archive, std::variant<T...>& value) {
  std::uint8_t index = 0;
  archive >> index;
  if (index >= sizeof...(T)) fail_variant_index(index, sizeof...(T));
  const auto load = [&]<std::size_t I>() {
    if (I != index) return;
    using Held = std::variant_alternative_t<I, std::variant<T...>>;
    load_constructed<Held>(archive, [&value]<class... From>(From&&... from) -> Held& {
      return value.template emplace<I>(std::forward<From>(from)...);
    });
  };
  [&load]<std::size_t... I>(std::index_sequence<I...>) { (load.template operator()<I>(), ...); }
  (std::index_sequence_for<T...>{});
}

template <class Archive, class... T>
void save_parts(Archive& archive, const std::tuple<T...>& value) {
  std::apply([&archive](const T&... part) { (archive << ... << part); }, value);
}

template <class Archive, class... T> void load_parts(Archive& archive, std::tuple<T...>& value) {
  std::apply([&archive](T&... part) { (archive >> ... >> part); }, value);
}

}  // namespace multiprocessing::detail
