// SPDX-License-Identifier: BSL-1.0
// Pickles as the programs that they are, put together by hand.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <string>
#include <string_view>

namespace multiprocessing::test {

template <class T> std::string pickled(const T& value) {
  detail::Encoder encoder;
  detail::encode_pickle(encoder, value);
  return {reinterpret_cast<const char*>(encoder.bytes().data()), encoder.size()};
}

inline Object unpickled(std::string_view bytes) {
  return detail::decode_pickle(std::as_bytes(std::span(bytes)));
}

inline std::string refusal(std::string_view bytes) {
  try {
    return "loaded as " + unpickled(bytes).repr();
  } catch (const ValueError& error) {
    return error.what();
  }
}

// The head of protocol 4, the body, the end.
inline std::string program(std::string_view body) { return "\x80\x04" + std::string(body) + "."; }

inline std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

inline std::string four_bytes(std::uint32_t n) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &n, 4);
  return bytes;
}

}  // namespace multiprocessing::test

#define EXPECT_REFUSED(bytes, why)                                                \
  EXPECT_NE(::multiprocessing::test::refusal(bytes).find(why), std::string::npos) \
      << ::multiprocessing::test::refusal(bytes)
