// SPDX-License-Identifier: BSL-1.0
// Strings, sequences, sets and maps: a length and the elements. Every length is checked against
// what is left before memory is allocated for it.
#pragma once
#include <multiprocessing/detail/codec_flat.hpp>

#include <bit>
#include <deque>
#include <list>
#include <map>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace multiprocessing::detail {

struct ContainerDefaults : CodecDefaults {
  static consteval std::size_t min_bytes() { return 1; }
};

template <class C, class Traits, class Allocator>
struct StandardCodec<std::basic_string<C, Traits, Allocator>> : ContainerDefaults {
  using T = std::basic_string<C, Traits, Allocator>;
  static constexpr std::string_view kTag = std::is_same_v<C, char> ? "s"
                                           : sizeof(C) == 1        ? "s1"
                                           : sizeof(C) == 2        ? "s2"
                                                                   : "s4";
  static constexpr bool kObjectForm = std::is_same_v<C, char>;

  template <class Out> static void encode(Out& out, const T& value) {
    encode_flat_array(out, value.data(), value.size());
  }
  static T decode(Decoder& decoder) {
    if constexpr (sizeof(C) == 1) {
      const std::size_t n = decoder.read_length();
      return T(reinterpret_cast<const C*>(decoder.view(n)), n);
    } else {
      return decode_flat_sequence<T>(decoder);
    }
  }
};

/// std::vector, std::deque, std::list.
template <class T> struct SequenceCodec : ContainerDefaults {
  using Element = typename T::value_type;
  using Parts = Types<Element>;
  static constexpr bool kObjectForm = true;

  template <class Out> static void encode(Out& out, const T& value) {
    if constexpr (!kFlat<Element>) {
      out.write_length(value.size());
      for (const Element& element : value) Codec<Element>::encode(out, element);
    } else if constexpr (requires { value.data(); }) {
      encode_flat_array(out, value.data(), value.size());
    } else {
      encode_flat_sequence(out, value);
    }
  }

  static T decode(Decoder& decoder) {
    if constexpr (kFlat<Element>) {
      return decode_flat_sequence<T>(decoder);
    } else {
      const std::size_t n = decoder.read_length(Codec<Element>::min_bytes());
      T value;
      if constexpr (requires { value.reserve(n); }) value.reserve(n);
      for (std::size_t i = 0; i < n; ++i) value.push_back(Codec<Element>::decode(decoder));
      return value;
    }
  }
};

template <class E, class Allocator>
struct StandardCodec<std::vector<E, Allocator>> : SequenceCodec<std::vector<E, Allocator>> {
  static constexpr std::string_view kName = "std::vector";
  static constexpr std::string_view kTag = "V";
};
template <class E, class Allocator>
struct StandardCodec<std::deque<E, Allocator>> : SequenceCodec<std::deque<E, Allocator>> {
  static constexpr std::string_view kName = "std::deque";
  static constexpr std::string_view kTag = "Q";
};
template <class E, class Allocator>
struct StandardCodec<std::list<E, Allocator>> : SequenceCodec<std::list<E, Allocator>> {
  static constexpr std::string_view kName = "std::list";
  static constexpr std::string_view kTag = "L";
};

/// Python's `bytes`.
template <class Allocator>
struct StandardCodec<std::vector<std::byte, Allocator>>
    : SequenceCodec<std::vector<std::byte, Allocator>> {
  using Parts = Types<>;
  static constexpr std::string_view kName = "std::vector<std::byte>";
  static constexpr std::string_view kTag = "y";
};

/// Eight to a byte: the number of bytes, how many bits of the last one are none, the bytes.
template <class Allocator> struct StandardCodec<std::vector<bool, Allocator>> : ContainerDefaults {
  using T = std::vector<bool, Allocator>;
  using Parts = Types<bool>;
  static constexpr std::string_view kName = "std::vector";
  static constexpr std::string_view kTag = "B";
  static constexpr bool kObjectForm = true;

  template <class Out> static void encode(Out& out, const T& value) {
    const std::size_t bytes = (value.size() + 7) / 8;
    const std::size_t unused = bytes * 8 - value.size();
    out.write_length(bytes);
    out.put(static_cast<std::uint8_t>(unused));
    if (bytes == 0) return;
    const std::uint8_t* bits = words_of(value);
    out.write(bits, bytes - 1);
    // What lies behind the last bit is whatever it was.
    out.put(static_cast<std::uint8_t>(bits[bytes - 1] & 0xff >> unused));
  }

  static T decode(Decoder& decoder) {
    const std::size_t bytes = decoder.read_length();
    const std::size_t unused = decoder.take<std::uint8_t>() % 8U;
    const std::byte* bits = decoder.view(bytes);
    if (bytes == 0) return T();
    T value(bytes * 8 - unused);
    std::memcpy(words_of(value), bits, bytes);
    return value;
  }

 private:
  // libstdc++ fills words of little endian from the lowest bit on, so that their bytes are in
  // order, and lets its iterators be looked into. Another library would not link with Boost's.
  static std::uint8_t* words_of(const T& value) {
    static_assert(std::endian::native == std::endian::little);
    return reinterpret_cast<std::uint8_t*>(value.begin()._M_p);
  }
};

/// Sets and multisets, ordered or not.
template <class T> struct SetCodec : ContainerDefaults {
  using Key = typename T::key_type;
  using Parts = Types<Key>;

  template <class Out> static void encode(Out& out, const T& value) {
    out.write_length(value.size());
    for (const Key& key : value) Codec<Key>::encode(out, key);
  }
  static T decode(Decoder& decoder) {
    const std::size_t n = decoder.read_length(Codec<Key>::min_bytes());
    T value;
    if constexpr (requires { value.reserve(n); }) value.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      value.emplace_hint(value.end(), Codec<Key>::decode(decoder));
    }
    return value;
  }
};

template <class K, class... Rest>
struct StandardCodec<std::set<K, Rest...>> : SetCodec<std::set<K, Rest...>> {
  static constexpr std::string_view kName = "std::set";
  static constexpr std::string_view kTag = "S";
  static constexpr bool kObjectForm = true;
};
template <class K, class... Rest>
struct StandardCodec<std::unordered_set<K, Rest...>> : SetCodec<std::unordered_set<K, Rest...>> {
  static constexpr std::string_view kName = "std::unordered_set";
  static constexpr std::string_view kTag = "U";
  static constexpr bool kObjectForm = true;
};
template <class K, class... Rest>
struct StandardCodec<std::multiset<K, Rest...>> : SetCodec<std::multiset<K, Rest...>> {
  static constexpr std::string_view kName = "std::multiset";
  static constexpr std::string_view kTag = "SS";
};
template <class K, class... Rest>
struct StandardCodec<std::unordered_multiset<K, Rest...>>
    : SetCodec<std::unordered_multiset<K, Rest...>> {
  static constexpr std::string_view kName = "std::unordered_multiset";
  static constexpr std::string_view kTag = "UU";
};

/// Maps and multimaps, ordered or not.
template <class T> struct MapCodec : ContainerDefaults {
  using Key = typename T::key_type;
  using Value = typename T::mapped_type;
  using Parts = Types<Key, Value>;

  template <class Out> static void encode(Out& out, const T& value) {
    out.write_length(value.size());
    for (const auto& [key, mapped] : value) {
      Codec<Key>::encode(out, key);
      Codec<Value>::encode(out, mapped);
    }
  }
  static T decode(Decoder& decoder) {
    const std::size_t n = decoder.read_length(Codec<Key>::min_bytes() + Codec<Value>::min_bytes());
    T value;
    if constexpr (requires { value.reserve(n); }) value.reserve(n);
    for (std::size_t i = 0; i < n; ++i) {
      Key key = Codec<Key>::decode(decoder);
      value.emplace_hint(value.end(), std::move(key), Codec<Value>::decode(decoder));
    }
    return value;
  }
};

template <class K, class V, class... Rest>
struct StandardCodec<std::map<K, V, Rest...>> : MapCodec<std::map<K, V, Rest...>> {
  static constexpr std::string_view kName = "std::map";
  static constexpr std::string_view kTag = "M";
  static constexpr bool kObjectForm = true;
};
template <class K, class V, class... Rest>
struct StandardCodec<std::unordered_map<K, V, Rest...>>
    : MapCodec<std::unordered_map<K, V, Rest...>> {
  static constexpr std::string_view kName = "std::unordered_map";
  static constexpr std::string_view kTag = "N";
  static constexpr bool kObjectForm = true;
};
template <class K, class V, class... Rest>
struct StandardCodec<std::multimap<K, V, Rest...>> : MapCodec<std::multimap<K, V, Rest...>> {
  static constexpr std::string_view kName = "std::multimap";
  static constexpr std::string_view kTag = "MM";
};
template <class K, class V, class... Rest>
struct StandardCodec<std::unordered_multimap<K, V, Rest...>>
    : MapCodec<std::unordered_multimap<K, V, Rest...>> {
  static constexpr std::string_view kName = "std::unordered_multimap";
  static constexpr std::string_view kTag = "NN";
};

}  // namespace multiprocessing::detail
