// SPDX-License-Identifier: BSL-1.0
// Numbers, enums, nullptr, and what is little more than one of them.
#pragma once
#include <multiprocessing/detail/codec_flat.hpp>

#include <bitset>
#include <chrono>
#include <variant>

namespace multiprocessing::detail {

template <class T> consteval std::string_view tag_of_number() {
  constexpr std::string_view kSigned[] = {"i1", "i2", "i4", "i8"};
  constexpr std::string_view kUnsigned[] = {"u1", "u2", "u4", "u8"};
  if constexpr (std::is_same_v<T, bool>) {
    return "b";
  } else if constexpr (std::is_floating_point_v<T>) {
    return sizeof(T) == 4 ? "f4" : sizeof(T) == 8 ? "f8" : "f16";
  } else if constexpr (std::is_signed_v<T>) {
    return kSigned[std::countr_zero(sizeof(T))];
  } else {
    return kUnsigned[std::countr_zero(sizeof(T))];
  }
}

template <class T> struct KindCodec<T, MessageKind::kScalar> : CodecDefaults {
  static constexpr std::string_view kTag = tag_of_number<T>();
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return sizeof(T); }

  template <class Out> static void encode(Out& out, const T& value) {
    if constexpr (std::is_same_v<T, long double>) {
      // Of x86's 16 bytes 10 are the number.
      constexpr bool kExtended = std::numeric_limits<T>::digits == 64;
      std::array<std::byte, sizeof(T)> bytes{};
      std::memcpy(bytes.data(), &value, kExtended ? 10 : sizeof value);
      out.write(bytes.data(), bytes.size());
    } else {
      out.put(value);
    }
  }

  static T decode(Decoder& decoder) {
    if constexpr (std::is_same_v<T, bool>) {
      return decoder.take<std::uint8_t>() != 0;
    } else {
      return decoder.take<T>();
    }
  }
};

template <class T>
requires std::is_enum_v<T>
struct KindCodec<T, MessageKind::kScalar> : CodecDefaults {
  using Number = std::underlying_type_t<T>;
  using Parts = Types<Number>;
  static constexpr std::string_view kTag = "E";
  static constexpr bool kNamed = true;
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return sizeof(T); }

  template <class Out> static void encode(Out& out, const T& value) {
    out.put(static_cast<Number>(value));
  }
  static T decode(Decoder& decoder) { return static_cast<T>(Codec<Number>::decode(decoder)); }
};

/// What has one value only. One byte, so that a number of them is never more than what is left.
template <class T> struct UnitCodec : CodecDefaults {
  static constexpr std::string_view kTag = "n";
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return 1; }

  template <class Out> static void encode(Out& out, const T& /*value*/) {
    out.put(std::uint8_t{0});
  }
  static T decode(Decoder& decoder) {
    decoder.view(1);
    return T{};
  }
};

template <> struct KindCodec<std::nullptr_t, MessageKind::kScalar> : UnitCodec<std::nullptr_t> {};
template <> struct StandardCodec<std::monostate> : UnitCodec<std::monostate> {};

template <class T> struct StandardCodec<std::complex<T>> : CodecDefaults {
  using Parts = Types<T>;
  static constexpr std::string_view kTag = "c";
  static consteval std::size_t min_bytes() { return 2 * Codec<T>::min_bytes(); }

  template <class Out> static void encode(Out& out, const std::complex<T>& value) {
    Codec<T>::encode(out, value.real());
    Codec<T>::encode(out, value.imag());
  }
  static std::complex<T> decode(Decoder& decoder) {
    const T real = Codec<T>::decode(decoder);
    return {real, Codec<T>::decode(decoder)};
  }
};

template <class Number, class Period>
struct StandardCodec<std::chrono::duration<Number, Period>> : CodecDefaults {
  using T = std::chrono::duration<Number, Period>;
  using Parts = Types<Number>;
  static constexpr std::string_view kTag = "d";
  static constexpr bool kNamed = true;
  static consteval std::size_t min_bytes() { return Codec<Number>::min_bytes(); }

  template <class Out> static void encode(Out& out, const T& value) {
    Codec<Number>::encode(out, value.count());
  }
  static T decode(Decoder& decoder) { return T(Codec<Number>::decode(decoder)); }
};

template <class Clock, class Duration>
struct StandardCodec<std::chrono::time_point<Clock, Duration>> : CodecDefaults {
  using T = std::chrono::time_point<Clock, Duration>;
  using Parts = Types<Duration>;
  static constexpr std::string_view kTag = "t";
  static constexpr bool kNamed = true;
  static consteval std::size_t min_bytes() { return Codec<Duration>::min_bytes(); }

  template <class Out> static void encode(Out& out, const T& value) {
    Codec<Duration>::encode(out, value.time_since_epoch());
  }
  static T decode(Decoder& decoder) { return T(Codec<Duration>::decode(decoder)); }
};

template <std::size_t N> struct StandardCodec<std::bitset<N>> : CodecDefaults {
  static constexpr std::string_view kTag = "z";
  static constexpr std::size_t kCount = N;
  static constexpr std::string_view kName = "std::bitset";
  static constexpr std::size_t kBytes = N / 8 + 1;
  static consteval std::size_t min_bytes() { return kBytes; }

  template <class Out> static void encode(Out& out, const std::bitset<N>& value) {
    std::array<std::uint8_t, kBytes> bytes{};
    for (std::size_t i = 0; i < N; ++i)
      bytes[i / 8] |= static_cast<std::uint8_t>(value[i] << i % 8);
    out.write(bytes.data(), bytes.size());
  }
  static std::bitset<N> decode(Decoder& decoder) {
    const std::byte* bytes = decoder.view(kBytes);
    std::bitset<N> value;
    for (std::size_t i = 0; i < N; ++i) {
      value[i] = (bytes[i / 8] >> i % 8 & std::byte{1}) != std::byte{0};
    }
    return value;
  }
};

}  // namespace multiprocessing::detail
