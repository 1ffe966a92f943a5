// SPDX-License-Identifier: BSL-1.0
// How typed messages become bytes: the one header that queues, connections, processes and pools
// need of the wire.
//
//   Encoder e;                       Decoder d(bytes, handles, descriptors);
//   encode<T>(e, value);             T value = decode_as<T>(sent, d);
//
// Beside the bytes travels fingerprint<T>(), so that the receiver can tell what was sent. Nothing
// here blocks or waits; every function may be called from several threads at once, each with an
// Encoder or Decoder of its own. Serialisation errors are thrown by encode, before anything is
// sent.
//
// A class of the library becomes a message by HandleAccess or Traveller, see message_traits.hpp.
#pragma once
#include <multiprocessing/detail/boost_types.hpp>
#include <multiprocessing/detail/check_message.hpp>
#include <multiprocessing/detail/codec_classes.hpp>
#include <multiprocessing/detail/codec_composed.hpp>
#include <multiprocessing/detail/codec_containers.hpp>
#include <multiprocessing/detail/codec_object.hpp>
#include <multiprocessing/detail/codec_scalar.hpp>
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/detail/fingerprint.hpp>
#include <multiprocessing/detail/message_traits.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace multiprocessing::detail {

/// What may travel. False says nothing of why: call check_message<T>() where a user's type comes
/// in, it has a static_assert for every reason, each with what to write instead.
template <class T>
concept Message = std::is_object_v<T> && !std::is_array_v<T> && !std::is_const_v<T> &&
                  !std::is_volatile_v<T> && kVerdict<T>.message;

template <class T> struct MessageType {
  using type = std::conditional_t<std::is_convertible_v<T, std::string_view> &&
                                      (std::is_pointer_v<T> || std::is_same_v<T, std::string_view>),
                                  std::string, T>;
};
template <class... Ts> struct MessageType<std::tuple<Ts...>> {
  using type = std::tuple<typename MessageType<Ts>::type...>;
};
template <class A, class B> struct MessageType<std::pair<A, B>> {
  using type = std::pair<typename MessageType<A>::type, typename MessageType<B>::type>;
};

/// What travels for an argument of type T: T without reference and cv; a string literal, a char
/// array, char* and std::string_view become std::string, in tuples and pairs too; `o[key]` becomes
/// Object.
template <class T> using message_type_t = typename MessageType<kept_t<T>>::type;

/// T's fingerprint. Where it is used, T is also known by name in this process (for error messages
/// and for messages that are received as Object), from before main on.
template <class T> [[nodiscard]] Fingerprint fingerprint() {
  static_cast<void>(&known_type<T>);
  return kFingerprint<T>;
}

/// T as a C++ programmer writes it: "std::map<std::string, int>".
template <class T> [[nodiscard]] std::string type_name() { return name_of_type<T>(); }

/// Appends `value`. THROWS what T's own `serialize` throws; TypeError for a polymorphic class that
/// was not exported. After an exception the encoder holds a torn message: clear() it.
template <class T> void encode(Encoder& encoder, const T& value) {
  check_message<T>();
  if constexpr (kVerdict<T>.native) {
    Codec<T>::encode(encoder, value);
  } else if constexpr (kVerdict<T>.message) {
    encode_packed(encoder, value);
  }
}

/// Reads what encode<T> wrote. THROWS ValueError for input that is cut short or no T.
template <class T> [[nodiscard]] T decode(Decoder& decoder) {
  check_message<T>();
  if constexpr (kVerdict<T>.native) {
    return Codec<T>::decode(decoder);
  } else if constexpr (kVerdict<T>.message) {
    return decode_packed<T>(decoder);
  }
}

/// True where encoded_size<T> exists: where the exact size is known by a cheap pass beforehand.
/// That is all but classes with `serialize` and whatever contains one, Object, and most Travellers.
template <class T>
inline constexpr bool kSizedMessage = kVerdict<T>.message&& kVerdict<T>.native&& kVerdict<T>.sized;

/// How many bytes encode writes at the beginning of an empty encoder (or at a multiple of 16).
template <class T>
[[nodiscard]] std::size_t encoded_size(const T& value) requires(kSizedMessage<T>) {
  Sizer sizer;
  Codec<T>::encode(sizer, value);
  return sizer.size();
}

/// True where T has a counterpart in Python: an Object can be made of it and the other way round.
template <class T> inline constexpr bool kHasObjectForm = kVerdict<T>.object_form;

/// Whether decode_as has a chance: the types are equal, or one of them is Object. Costs nothing.
[[nodiscard]] inline bool may_decode(Fingerprint sent, Fingerprint wanted) {
  return sent == wanted || sent == object_fingerprint() || wanted == object_fingerprint();
}

/// The same as decode<T> if `sent` is T's fingerprint. A message of numbers, strings, containers
/// of such… can be decoded as Object, and an Object as the type that it holds.
/// THROWS TypeError that names both types for everything else; then nothing has been consumed
/// that matters: the same bytes can be decoded again, as another type, by a new Decoder.
template <class T> [[nodiscard]] T decode_as(Fingerprint sent, Decoder& decoder) {
  if (sent == fingerprint<T>()) return decode<T>(decoder);
  if constexpr (std::is_same_v<T, Object>) {
    return decode_as_object(sent, decoder);
  } else if constexpr (has_object_reader<T>()) {
    if (sent == object_fingerprint()) return decode<Object>(decoder).template as<T>();
  }
  if constexpr (!std::is_same_v<T, Object>) fail_other_type(sent, type_name<T>());
}

}  // namespace multiprocessing::detail
