// SPDX-License-Identifier: BSL-1.0
// Classes: aggregates member by member, those that opted in as bytes, handles, and the library's
// own.
#pragma once
#include <multiprocessing/detail/codec_flat.hpp>

#include <cstddef>
#include <span>
#include <vector>

namespace multiprocessing::detail {

template <class... Fields> Types<std::remove_cv_t<Fields>...> without_const(Types<Fields...>);

template <class T> struct KindCodec<T, MessageKind::kAggregate> : CodecDefaults {
  using Parts = decltype(without_const(FieldTypes<T>{}));
  static constexpr std::string_view kTag = "C";
  static constexpr bool kNamed = true;
  static consteval std::size_t min_bytes() {
    return kFields<T> == 0 ? 1 : sum_of_min_bytes(Parts{});
  }

  template <class Out> static void encode(Out& out, const T& value) {
    if constexpr (kFields<T> == 0) {
      out.put(std::uint8_t{0});
    } else if constexpr (kFlat<T>) {
      encode_flat(out, value);
    } else {
      visit_fields(value, [&out]<class... Fields>(const Fields&... fields) {
        (Codec<Fields>::encode(out, fields), ...);
      });
    }
  }

  static T decode(Decoder& decoder) {
    if constexpr (kFields<T> == 0) {
      decoder.view(1);
      return T{};
    } else if constexpr (kFlat<T>) {
      return decode_flat<T>(decoder);
    } else if constexpr (has_c_array(FieldTypes<T>{})) {
      T value = T();
      visit_fields(value,
                   [&decoder](auto&... fields) { (detail::decode_into(decoder, fields), ...); });
      return value;
    } else {
      return decode_fields(decoder, Parts{});
    }
  }

 private:
  template <class... Fields> static T decode_fields(Decoder& decoder, Types<Fields...> /*parts*/) {
    // Braces: the members are read from left to right. A bit-field is given what it held.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
    return T{Codec<Fields>::decode(decoder)...};
#pragma GCC diagnostic pop
  }
};

template <class T> struct KindCodec<T, MessageKind::kBitwise> : CodecDefaults {
  static constexpr std::string_view kTag = "C";
  static constexpr bool kNamed = true;
  static constexpr std::size_t kCount = sizeof(T);
  static consteval std::size_t min_bytes() { return sizeof(T); }

  template <class Out> static void encode(Out& out, const T& value) { encode_flat(out, value); }
  static T decode(Decoder& decoder) { return decode_flat<T>(decoder); }
};

template <class T> struct KindCodec<T, MessageKind::kHandle> : CodecDefaults {
  static constexpr std::string_view kTag = "H";
  static constexpr bool kNamed = true;
  static constexpr bool kHandleForm = true;
  static consteval std::size_t min_bytes() { return sizeof(std::uint32_t); }

  template <class Out> static void encode(Out& out, const T& value) {
    out.write_handle(HandleAccess::get(value));
  }
  static T decode(Decoder& decoder) { return HandleAccess::make<T>(decoder.read_handle()); }
};

/// A manager's proxy: all of them travel alike.
template <class T>
concept ProxyMessage = requires {
  requires Traveller<T>::kProxy;
};

/// Whoever writes nothing is given a byte, so that a number of them is never more than what is
/// left of a message.
template <class T> struct KindCodec<T, MessageKind::kTraveller> : CodecDefaults {
  static constexpr bool kHandleForm = ProxyMessage<T>;
  static constexpr std::string_view kTag = kHandleForm ? "R" : "C";
  static constexpr bool kNamed = true;
  static constexpr bool kSized = requires(Sizer & sizer, const T& value) {
    Traveller<T>::encode(sizer, value);
  };
  static consteval std::size_t min_bytes() { return 1; }

  template <class Out> static void encode(Out& out, const T& value) {
    const std::size_t before = out.size();
    Traveller<T>::encode(out, value);
    if (out.size() == before) out.put(std::uint8_t{0});
  }
  static T decode(Decoder& decoder) {
    const std::size_t before = decoder.position();
    T value = Traveller<T>::decode(decoder);
    if (decoder.position() == before) decoder.view(1);
    return value;
  }
};

}  // namespace multiprocessing::detail
