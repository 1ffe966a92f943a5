// SPDX-License-Identifier: BSL-1.0
// The characters of a str.
#pragma once
#include <cstddef>
#include <string_view>

namespace multiprocessing::wire {

/// Takes the first character off `text`, which is not empty. A byte that belongs to no valid
/// sequence counts as one character, 0xdc00 + byte, as Python's surrogateescape reads it; the
/// three bytes of a surrogate are that surrogate.
[[nodiscard]] char32_t take_character(std::string_view& text);

/// Where the first byte stands that belongs to no valid sequence; text.size() if there is none.
[[nodiscard]] std::size_t find_invalid(std::string_view text);

/// How many there are.
[[nodiscard]] std::size_t count_characters(std::string_view text);

/// Python's str.isprintable for one character, by the Unicode version of CPython 3.14 (16.0).
[[nodiscard]] bool is_printable(char32_t c);

}  // namespace multiprocessing::wire
