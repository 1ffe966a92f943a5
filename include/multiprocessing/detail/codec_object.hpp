// SPDX-License-Identifier: BSL-1.0
// mp::Object as a message, and messages that are received as one though they were sent as something
// else.
#pragma once
#include <multiprocessing/detail/codec.hpp>
#include <multiprocessing/detail/fingerprint.hpp>
#include <multiprocessing/detail/object_codec.hpp>
#include <multiprocessing/object.hpp>

namespace multiprocessing::detail {

template <> struct KindCodec<Object, MessageKind::kObject> : CodecDefaults {
  static constexpr std::string_view kName = "multiprocessing::Object";
  static constexpr std::string_view kTag = "?";
  static constexpr bool kSized = false;
  static constexpr bool kObjectForm = true;
  static consteval std::size_t min_bytes() { return 1; }

  static void encode(Encoder& encoder, const Object& value) { encode_object(encoder, value); }
  static Object decode(Decoder& decoder) { return decode_object(decoder); }
};

/// The fingerprint of mp::Object.
[[nodiscard]] constexpr Fingerprint object_fingerprint() { return kFingerprint<Object>; }

/// Reads a value of the type `sent` as the Object that corresponds to it. THROWS TypeError if it
/// has none, or if this process does not know the type.
[[nodiscard]] Object decode_as_object(Fingerprint sent, Decoder& decoder);

}  // namespace multiprocessing::detail
