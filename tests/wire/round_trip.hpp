// SPDX-License-Identifier: BSL-1.0
// Values through a message and back.
#pragma once
#include <gtest/gtest.h>

#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>
#include <vector>

namespace multiprocessing::detail {

template <class T> std::vector<std::byte> bytes_of(const T& value) {
  Encoder encoder;
  encode(encoder, value);
  return {encoder.bytes().begin(), encoder.bytes().end()};
}

/// The value after a journey, which took as many bytes as were foretold.
template <class T> T copied(const T& value) {
  static_assert(Message<T>);
  const std::vector<std::byte> bytes = bytes_of(value);
  if constexpr (kSizedMessage<T>) {
    EXPECT_EQ(encoded_size(value), bytes.size()) << type_name<T>();
  }
  Decoder decoder(bytes);
  T copy = decode<T>(decoder);
  EXPECT_EQ(decoder.remaining(), 0U) << type_name<T>();
  return copy;
}

/// A message cut anywhere is a ValueError. Nothing is read behind its end: a sanitizer would tell,
/// as the bytes are in a block of exactly that size.
template <class T> void expect_error_at_every_cut(const T& value) {
  const std::vector<std::byte> whole = bytes_of(value);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    const std::vector<std::byte> cut(whole.begin(), whole.begin() + static_cast<long>(n));
    Decoder decoder(cut);
    EXPECT_THROW(static_cast<void>(decode<T>(decoder)), ValueError)
        << type_name<T>() << " cut to " << n << " of " << whole.size();
  }
}

template <class T> void expect_round_trip(const T& value) {
  EXPECT_TRUE(copied(value) == value) << type_name<T>();
  expect_error_at_every_cut(value);
}

}  // namespace multiprocessing::detail
