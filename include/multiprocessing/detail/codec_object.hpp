// SPDX-License-Identifier: BSL-1.0
// mp::Object as a message, and messages that are received as one though they were sent as something
// else, or the other way round.
#pragma once
#include <multiprocessing/detail/codec.hpp>
#include <multiprocessing/detail/fingerprint.hpp>

namespace multiprocessing::detail {

template <> struct KindCodec<Object, Kind::kObject> : CodecDefaults {
  static constexpr std::string_view kName = "multiprocessing::Object";
  static constexpr std::string_view kTag = "?";
  static constexpr bool kSized = false;
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return 1; }

  static void encode(Encoder& encoder, const Object& value);
  static Object decode(Decoder& decoder);
};

/// The fingerprint of mp::Object.
[[nodiscard]] constexpr Fingerprint object_fingerprint() { return kFingerprint<Object>; }

/// Reads a value of the type `sent` as the Object that corresponds to it. THROWS TypeError if it
/// has none, or if this process does not know the type.
template <class AnyObject = Object>
[[nodiscard]] AnyObject decode_as_object(Fingerprint sent, Decoder& decoder);
template <> Object decode_as_object<Object>(Fingerprint sent, Decoder& decoder);

/// Reads an Object and takes the T out of it. AnyObject is Object; this header does not need to
/// know more of it than the name.
template <class T, class AnyObject = Object> [[nodiscard]] T decode_from_object(Decoder& decoder) {
  return Codec<AnyObject>::decode(decoder).template as<T>();
}

}  // namespace multiprocessing::detail
