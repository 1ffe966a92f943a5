// SPDX-License-Identifier: BSL-1.0
// What holds a fixed number of values: arrays, pairs, tuples, optional, variant, unique_ptr.
#pragma once
#include <multiprocessing/detail/codec_scalar.hpp>

#include <array>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

namespace multiprocessing::detail {

[[noreturn]] void fail_valueless_variant();
[[noreturn]] void fail_variant_index(std::size_t index, std::size_t alternatives);

/// A member of an aggregate; never a message by itself.
template <class E, std::size_t N> struct StandardCodec<E[N]> : CodecDefaults {
  using Parts = Types<E>;
  static constexpr std::string_view kTag = "A";
  static constexpr std::size_t kCount = N;
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return N * Codec<E>::min_bytes(); }

  template <class Out> static void encode(Out& out, const E (&value)[N]) {
    if constexpr (kFlat<E>) {
      encode_flat(out, value);
    } else {
      for (const E& element : value) Codec<E>::encode(out, element);
    }
  }
  static void decode_into(Decoder& decoder, E (&value)[N]) {
    if constexpr (kFlat<E>) {
      decoder.read(&value, sizeof value);
    } else {
      for (E& element : value) detail::decode_into(decoder, element);
    }
  }
};

template <class E, std::size_t N> struct StandardCodec<std::array<E, N>> : CodecDefaults {
  using T = std::array<E, N>;
  using Parts = Types<E>;
  static constexpr std::string_view kName = "std::array";
  static constexpr std::string_view kTag = "A";
  static constexpr std::size_t kCount = N;
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return N * Codec<E>::min_bytes(); }

  template <class Out> static void encode(Out& out, const T& value) {
    if constexpr (kFlat<T>) {
      encode_flat(out, value);
    } else {
      for (const E& element : value) Codec<E>::encode(out, element);
    }
  }
  static T decode(Decoder& decoder) {
    if constexpr (kFlat<T>) {
      return decode_flat<T>(decoder);
    } else if constexpr (std::is_default_constructible_v<T>) {
      T value;
      for (E& element : value) element = Codec<E>::decode(decoder);
      return value;
    } else {
      return [&decoder]<std::size_t... I>(std::index_sequence<I...>) {
        return T{(static_cast<void>(I), Codec<E>::decode(decoder))...};
      }
      (std::make_index_sequence<N>{});
    }
  }
};

template <class E> struct StandardCodec<std::array<E, 0>> : UnitCodec<std::array<E, 0>> {
  using Parts = Types<E>;
  static constexpr std::string_view kName = "std::array";
  static constexpr std::string_view kTag = "A0";
};

template <class A, class B> struct StandardCodec<std::pair<A, B>> : CodecDefaults {
  using First = std::remove_const_t<A>;
  using Parts = Types<First, B>;
  static constexpr std::string_view kName = "std::pair";
  static constexpr std::string_view kTag = "P";
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return sum_of_min_bytes(Parts{}); }

  template <class Out> static void encode(Out& out, const std::pair<A, B>& value) {
    Codec<First>::encode(out, value.first);
    Codec<B>::encode(out, value.second);
  }
  static std::pair<A, B> decode(Decoder& decoder) {
    return std::pair<A, B>{Codec<First>::decode(decoder), Codec<B>::decode(decoder)};
  }
};

template <class... E> struct StandardCodec<std::tuple<E...>> : CodecDefaults {
  using Parts = Types<E...>;
  static constexpr std::string_view kName = "std::tuple";
  static constexpr std::string_view kTag = "T";
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return sum_of_min_bytes(Parts{}); }

  template <class Out> static void encode(Out& out, const std::tuple<E...>& value) {
    std::apply([&out](const E&... element) { (Codec<E>::encode(out, element), ...); }, value);
  }
  static std::tuple<E...> decode(Decoder& decoder) {
    // Braces: the elements are read from left to right.
    return std::tuple<E...>{Codec<E>::decode(decoder)...};
  }
};

template <> struct StandardCodec<std::tuple<>> : UnitCodec<std::tuple<>> {
  static constexpr std::string_view kName = "std::tuple<>";
  static constexpr std::string_view kTag = "T0";
};

template <class E> struct StandardCodec<std::optional<E>> : CodecDefaults {
  using Parts = Types<E>;
  static constexpr std::string_view kName = "std::optional";
  static constexpr std::string_view kTag = "O";
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return 1; }

  template <class Out> static void encode(Out& out, const std::optional<E>& value) {
    out.put(static_cast<std::uint8_t>(value.has_value()));
    if (value) Codec<E>::encode(out, *value);
  }
  static std::optional<E> decode(Decoder& decoder) {
    if (decoder.take<std::uint8_t>() == 0) return std::nullopt;
    return std::optional<E>(Codec<E>::decode(decoder));
  }
};

template <class... E> struct StandardCodec<std::variant<E...>> : CodecDefaults {
  using T = std::variant<E...>;
  using Parts = Types<E...>;
  static constexpr std::string_view kName = "std::variant";
  static constexpr std::string_view kTag = "X";
  static constexpr bool kObjectForm = true;
  static_assert(sizeof...(E) < 256, "multiprocessing: a variant of at most 255 alternatives");
  static consteval std::size_t min_bytes() { return 1; }

  template <class Out> static void encode(Out& out, const T& value) {
    if (value.valueless_by_exception()) fail_valueless_variant();
    out.put(static_cast<std::uint8_t>(value.index()));
    std::visit([&out]<class A>(const A& held) { Codec<A>::encode(out, held); }, value);
  }
  static T decode(Decoder& decoder) {
    const std::size_t index = decoder.take<std::uint8_t>();
    if (index >= sizeof...(E)) fail_variant_index(index, sizeof...(E));
    return [&]<std::size_t... I>(std::index_sequence<I...>) {
      using Read = T (*)(Decoder&);
      static constexpr Read kReads[] = {+[](Decoder& from) {
        return T(std::in_place_index<I>, Codec<std::variant_alternative_t<I, T>>::decode(from));
      }...};
      return kReads[index](decoder);
    }
    (std::index_sequence_for<E...>{});
  }
};

/// Owns one value or none. What may be of a derived class is Boost's to take.
template <class E>
requires(!std::is_array_v<E> && !std::is_polymorphic_v<E>) struct StandardCodec<std::unique_ptr<E>>
    : CodecDefaults {
  using Parts = Types<E>;
  static constexpr std::string_view kName = "std::unique_ptr";
  static constexpr std::string_view kTag = "p";
  static consteval std::size_t min_bytes() { return 1; }

  template <class Out> static void encode(Out& out, const std::unique_ptr<E>& value) {
    out.put(static_cast<std::uint8_t>(value != nullptr));
    if (value != nullptr) Codec<E>::encode(out, *value);
  }
  static std::unique_ptr<E> decode(Decoder& decoder) {
    if (decoder.take<std::uint8_t>() == 0) return nullptr;
    return std::unique_ptr<E>(new E(Codec<E>::decode(decoder)));
  }
};

}  // namespace multiprocessing::detail
