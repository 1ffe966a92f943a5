// SPDX-License-Identifier: BSL-1.0
#include "wire/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace multiprocessing::wire {
namespace {

// How many bytes a sequence has that begins like this; 0: none begins so.
std::size_t sequence_length(unsigned char first) {
  if (first < 0x80) return 1;
  if (first < 0xc2) return 0;  // continuations, and overlong forms
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  return first < 0xf5 ? 4 : 0;
}

bool is_overlong_or_too_large(char32_t c, std::size_t length) {
  return (length == 3 && c < 0x800) || (length == 4 && (c < 0x10000 || c > 0x10ffff));
}

}  // namespace

char32_t take_character(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = sequence_length(first);
  char32_t c = length <= 1 ? first : first & (0x7fU >> length);
  bool valid = length != 0 && length <= text.size();
  for (std::size_t i = 1; valid && i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    valid = (next & 0xc0U) == 0x80;
    c = c << 6 | (next & 0x3fU);
  }
  if (!valid || is_overlong_or_too_large(c, length)) {
    text.remove_prefix(1);
    return 0xdc00U + first;
  }
  text.remove_prefix(length);
  return c;
}

std::size_t find_invalid(std::string_view text) {
  std::string_view rest = text;
  while (!rest.empty()) {
    // Eight characters of ASCII at once.
    std::uint64_t word = 0;
    while (rest.size() >= sizeof word &&
           (std::memcpy(&word, rest.data(), sizeof word), (word & 0x8080808080808080U) == 0))
      rest.remove_prefix(sizeof word);
    if (rest.empty()) break;
    const bool ascii = static_cast<unsigned char>(rest.front()) < 0x80;
    const std::size_t before = rest.size();
    static_cast<void>(take_character(rest));
    if (!ascii && before - rest.size() == 1) return text.size() - before;
  }
  return text.size();
}

std::size_t count_characters(std::string_view text) {
  std::size_t n = 0;
  for (; !text.empty(); ++n) static_cast<void>(take_character(text));
  return n;
}

}  // namespace multiprocessing::wire
