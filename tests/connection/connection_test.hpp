// SPDX-License-Identifier: BSL-1.0
// What several tests of connections need.
#pragma once
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <string_view>
#include <system_error>
#include <vector>

namespace multiprocessing::test {

inline std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

/// The errno of the std::system_error that `f` throws; 0 if it throws none.
template <class F> int errno_of(F f) {
  try {
    f();
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  return 0;
}

/// How many descriptors this process has open.
inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  // One of them is the iterator's own.
  return static_cast<std::size_t>(std::distance(begin(all), end(all))) - 1;
}

/// Bytes that tell their place, so that a shift or a gap shows.
inline std::vector<std::byte> pattern(std::size_t size) {
  std::vector<std::byte> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i ^ i >> 8 ^ i >> 16);
  return bytes;
}

}  // namespace multiprocessing::test
