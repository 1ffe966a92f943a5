// SPDX-License-Identifier: BSL-1.0
// A typed message as plain bytes: what recv_bytes gives for it, and what travels over a stream.
//
// typed    := preamble bytes
// preamble := 0xff 'm' 'p' 0x01 type:u32 0:u64        16 bytes, so that what follows stays aligned
//
// No pickle and no message of the handshake begins with 0xff.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <multiprocessing/detail/fingerprint.hpp>
#include <span>

namespace multiprocessing::connection {

inline constexpr std::size_t kPreambleBytes = 16;

inline std::array<std::byte, kPreambleBytes> preamble(detail::Fingerprint type) noexcept {
  std::array<std::byte, kPreambleBytes> bytes{std::byte{0xff}, std::byte{'m'}, std::byte{'p'},
                                              std::byte{1}};
  std::memcpy(bytes.data() + 4, &type, sizeof type);
  return bytes;
}

/// The type that a preamble at the beginning of `bytes` tells of; 0 if there is none.
inline detail::Fingerprint type_in_preamble(std::span<const std::byte> bytes) noexcept {
  if (bytes.size() < kPreambleBytes) return 0;
  detail::Fingerprint type = 0;
  std::memcpy(&type, bytes.data() + 4, sizeof type);
  const auto expected = preamble(type);
  return std::memcmp(bytes.data(), expected.data(), kPreambleBytes) == 0 ? type : 0;
}

}  // namespace multiprocessing::connection
