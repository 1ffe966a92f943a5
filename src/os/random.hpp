// SPDX-License-Identifier: BSL-1.0
// Random bytes that nobody can guess.
#pragma once
#include <array>
#include <cstddef>
#include <span>

namespace multiprocessing::os {

/// Fills the buffer. THROWS: std::system_error.
void fill_random(std::span<std::byte> buffer);

template <std::size_t N> [[nodiscard]] std::array<std::byte, N> random_bytes() {
  std::array<std::byte, N> bytes;
  fill_random(bytes);
  return bytes;
}

}  // namespace multiprocessing::os
