// SPDX-License-Identifier: BSL-1.0
// The arguments and the results of calls of managed objects, as they travel.
//
// value := align16 type:u32 0:u32 size:u64 byte[size]      what encode<T> wrote; type: fingerprint
//
// Each begins at a multiple of 16 of its frame, so that it can be cut out and kept as it is.
#pragma once
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/object.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>
#include <vector>

namespace multiprocessing::detail {

/// The name of a method, and the number that stands for it on the wire: FNV-1a of the name.
struct MethodName {
  template <std::size_t N>
  consteval MethodName(const char (&literal)[N])
      : text(literal, N - 1), hash(hash_of({literal, N - 1})) {}
  constexpr explicit MethodName(std::string_view name) : text(name), hash(hash_of(name)) {}

  std::string_view text;
  std::uint32_t hash;

 private:
  static constexpr std::uint32_t hash_of(std::string_view name) {
    std::uint32_t hash = 2166136261U;
    for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
    return hash;
  }
};

/// A value that nobody has decoded yet.
struct RawValue {
  Fingerprint type = 0;
  std::vector<std::byte> bytes;
  std::vector<Handle> handles;  // of the whole frame that it came in
};

template <class T> void append_value(Encoder& out, const T& value) {
  out.align(16);
  const std::size_t at = out.size();
  out.put(fingerprint<T>());
  out.put(std::uint32_t{0});
  out.put(std::uint64_t{0});
  encode<T>(out, value);
  out.put_at(at + 8, static_cast<std::uint64_t>(out.size() - at - 16));
}

/// THROWS: TypeError that names both types.
template <class T> [[nodiscard]] T from_object(const Object& o) {
  if constexpr (std::is_same_v<T, Object>) {
    return o;
  } else if constexpr (has_object_reader<T>()) {
    return o.as<T>();
  } else {
    fail_other_type(object_fingerprint(), type_name<T>());
  }
}

/// A value of the type `sent` as a T: of the same type, or by way of what both are in Python.
/// THROWS: TypeError that names both types; ValueError for a number that T cannot hold.
template <class T> [[nodiscard]] T read_value(Fingerprint sent, Decoder& decoder) {
  if (sent == fingerprint<T>()) return decode<T>(decoder);
  if constexpr (std::is_same_v<T, Object> || has_object_reader<T>()) {
    return from_object<T>(sent == object_fingerprint() ? decode<Object>(decoder)
                                                       : decode_as_object(sent, decoder));
  } else {
    fail_other_type(sent, type_name<T>());
  }
}

}  // namespace multiprocessing::detail
