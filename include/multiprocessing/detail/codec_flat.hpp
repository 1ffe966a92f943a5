// SPDX-License-Identifier: BSL-1.0
// Values and arrays that travel as the bytes they consist of.
#pragma once
#include <multiprocessing/detail/codec.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <complex>
#include <cstring>
#include <vector>

namespace multiprocessing::detail {

template <class T> consteval bool is_flat();

template <class... Parts> consteval bool all_flat(Types<Parts...> /*parts*/, std::size_t bytes) {
  return (... && is_flat<std::remove_cv_t<Parts>>()) &&
         (std::size_t{0} + ... + sizeof(Parts)) == bytes;
}

template <class T> struct FlatElement { using Type = void; };
template <class T, std::size_t N> struct FlatElement<T[N]> { using Type = T; };
template <class T, std::size_t N> struct FlatElement<std::array<T, N>> {
  using Type = std::conditional_t<N == 0, void, T>;
};
template <class T> struct FlatElement<std::complex<T>> { using Type = T; };

// bool is left out: a byte that is neither 0 nor 1 must not become one. So is long double, which
// has padding.
template <class T> consteval bool is_flat() {
  using Element = typename FlatElement<T>::Type;
  if constexpr (std::is_enum_v<T>) {
    return is_flat<std::underlying_type_t<T>>();
  } else if constexpr (std::is_arithmetic_v<T>) {
    return !std::is_same_v<T, bool> && !std::is_same_v<T, long double>;
  } else if constexpr (!std::is_void_v<Element>) {
    return is_flat<Element>();
  } else if constexpr (kKind<T> == MessageKind::kBitwise) {
    return true;
  } else if constexpr (kKind<T> == MessageKind::kAggregate && std::is_trivially_copyable_v<T>) {
    return all_flat(FieldTypes<T>{}, std::is_empty_v<T> ? 0 : sizeof(T)) && !std::is_empty_v<T>;
  } else {
    return false;
  }
}

template <class T> inline constexpr bool kFlat = is_flat<T>();

// Only a class that opted in may have padding and still be flat.
template <class T> consteval bool may_have_padding() {
  using Element = typename FlatElement<T>::Type;
  if constexpr (!std::is_void_v<Element>) {
    return may_have_padding<Element>();
  } else if constexpr (kKind<T> == MessageKind::kBitwise &&
                       !std::has_unique_object_representations_v<T>) {
    if constexpr (is_plain_aggregate<T>()) return !all_flat(FieldTypes<T>{}, sizeof(T));
    return true;
  } else {
    return false;
  }
}

/// Whose message is just what lies in memory.
template <class T> inline constexpr bool kItsOwnMessage = kFlat<T> && !may_have_padding<T>();

template <class T> inline constexpr std::size_t kAlignment = std::min<std::size_t>(alignof(T), 16);

template <class Out, class T> void encode_flat(Out& out, const T& value) {
#if __has_builtin(__builtin_clear_padding)
  if constexpr (may_have_padding<T>()) {
    // What happens to lie between the members is nobody else's to see.
    T copy(value);
    __builtin_clear_padding(&copy);
    return out.write(&copy, sizeof copy);
  }
#endif
  out.write(&value, sizeof value);
}

template <class T> T decode_flat(Decoder& decoder) {
  // T may have no default constructor.
  std::array<std::byte, sizeof(T)> bytes;
  decoder.read(bytes.data(), sizeof(T));
  return std::bit_cast<T>(bytes);
}

/// A length, padding, and the elements side by side.
template <class Out, class T> void encode_flat_array(Out& out, const T* data, std::size_t n) {
  out.write_length(n);
  out.align(kAlignment<T>);
  if constexpr (may_have_padding<T>()) {
    for (std::size_t i = 0; i < n; ++i) encode_flat(out, data[i]);
  } else {
    out.write(data, n * sizeof(T));
  }
}

/// The same of elements that do not lie side by side.
template <class Out, class Sequence> void encode_flat_sequence(Out& out, const Sequence& sequence) {
  using T = typename Sequence::value_type;
  out.write_length(sequence.size());
  out.align(kAlignment<T>);
  for (const T& element : sequence) encode_flat(out, element);
}

/// Any sequence of what either of them wrote.
template <class Sequence> Sequence decode_flat_sequence(Decoder& decoder) {
  using T = typename Sequence::value_type;
  const std::size_t n = decoder.read_length(sizeof(T));
  decoder.align(kAlignment<T>);
  if (n == 0) return Sequence();
  const std::byte* bytes = decoder.view(n * sizeof(T));
  if (reinterpret_cast<std::uintptr_t>(bytes) % alignof(T) == 0) {
    const T* first = reinterpret_cast<const T*>(bytes);
    return Sequence(first, first + n);  // no element is written twice
  }
  Sequence sequence;
  for (std::size_t i = 0; i < n; ++i) {
    std::array<std::byte, sizeof(T)> element;
    std::memcpy(element.data(), bytes + i * sizeof(T), sizeof(T));
    sequence.push_back(std::bit_cast<T>(element));
  }
  return sequence;
}

}  // namespace multiprocessing::detail
