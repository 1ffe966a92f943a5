// SPDX-License-Identifier: BSL-1.0
// Random values, and the text that pickle_peer.py makes of a value as well: the same for what is
// the same in every bit and type, and for nothing else.
#pragma once
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <multiprocessing/object.hpp>
#include <random>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace multiprocessing::test {

inline std::string hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

/// Makes the text.
struct Canonical {
  std::string operator()(std::monostate) const { return "N"; }
  std::string operator()(bool value) const { return value ? "T" : "F"; }
  std::string operator()(std::int64_t value) const { return fmt::format("i{}", value); }
  std::string operator()(double value) const {
    return fmt::format("f{:016x}", std::bit_cast<std::uint64_t>(value));
  }
  std::string operator()(const std::string& text) const { return "s" + hex(text); }
  std::string operator()(const std::vector<std::byte>& bytes) const {
    return "y" + hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  }
  std::string operator()(const Object::List& items) const { return "[" + joined(items) + "]"; }
  std::string operator()(const Object::Tuple& items) const { return "(" + joined(items) + ")"; }
  std::string operator()(const Object::Dict& items) const {
    std::vector<std::string> parts;
    for (const auto& [key, value] : items)
      parts.push_back(key.visit(*this) + ":" + value.visit(*this));
    return fmt::format("{{{}}}", fmt::join(parts, ","));
  }
  std::string operator()(const Object::Set& items) const {
    std::vector<std::string> parts = texts(items);
    std::ranges::sort(parts);
    return fmt::format("<{}>", fmt::join(parts, ","));
  }
  std::string operator()(const Object::FrozenSet& items) const {
    return "^" + (*this)(static_cast<const Object::Set&>(items));
  }

 private:
  template <class Items> std::vector<std::string> texts(const Items& items) const {
    std::vector<std::string> parts;
    for (const Object& item : items) parts.push_back(item.visit(*this));
    return parts;
  }
  template <class Items> std::string joined(const Items& items) const {
    return fmt::format("{}", fmt::join(texts(items), ","));
  }
};

inline std::string canonical(const Object& o) { return o.visit(Canonical()); }

/// Makes random values of any kind.
class RandomValues {
 public:
  explicit RandomValues(std::uint32_t seed) : random_(seed) {}

  /// Nested at most `depth` levels deep.
  Object value(int depth) {
    const int n = depth > 0 ? pick({0, 1, 2, 3, 4, 9}) : 0;
    Object made;
    switch (below(10)) {
      case 0:
        made = Object::list();
        for (int i = 0; i < n; ++i) made.append(value(depth - 1));
        return made;
      case 1:
        return Object::tuple(value_list(n, depth));
      case 2:
      case 3:
        made = Object::dict();
        for (int i = 0; i < n; ++i) made[key(2)] = value(depth - 1);
        return made;
      case 4:
        return Object::set(keys(n, 2));
      case 5:
        return Object::frozenset(keys(n, 2));
      default:
        return atom();
    }
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  int pick(std::initializer_list<int> choice) {
    return choice.begin()[below(static_cast<int>(choice.size()))];
  }

  Object::List value_list(int n, int depth) {
    Object::List items;
    for (int i = 0; i < n; ++i) items.push_back(value(depth - 1));
    return items;
  }

  Object::List keys(int n, int depth) {
    Object::List items;
    for (int i = 0; i < n; ++i) items.push_back(key(depth));
    return items;
  }

  Object key(int depth) {
    const int kind = below(8);
    if (kind == 0 && depth > 0) return Object::tuple(keys(below(5), depth - 1));
    if (kind == 1 && depth > 0) return Object::frozenset(keys(below(5), depth - 1));
    return atom();
  }

  Object atom() {
    switch (below(7)) {
      case 0:
        return below(3) == 0 ? Object() : Object(below(2) == 0);
      case 1:
      case 2:
        return number();
      case 3:
        return real();
      case 4:
      case 5:
        return text();
      default:
        return Object::bytes(std::string(static_cast<std::size_t>(pick({0, 1, 14, 15, 255, 256})),
                                         static_cast<char>(random_())));
    }
  }

  Object number() {
    const std::int64_t any = static_cast<std::int64_t>(std::uint64_t{random_()} << 32 | random_());
    const int shift = below(64);
    switch (below(8)) {
      case 0:
        return std::int64_t{1} << shift;
      case 1:
        return INT64_MAX >> shift;
      case 2:
        return INT64_MIN >> shift;
      default:
        return any >> shift;
    }
  }

  Object real() {
    constexpr double kSpecial[] = {0.0,      -0.0,      1.5,
                                   INFINITY, -INFINITY, std::numeric_limits<double>::quiet_NaN(),
                                   5e-324,   1e308};
    if (below(2) == 0) return kSpecial[below(8)];
    return std::uniform_real_distribution<>(-1e9, 1e9)(random_);
  }

  Object text() {
    constexpr std::string_view kPieces[] = {"",
                                            "a",
                                            "ä",
                                            "€",
                                            "\U0001f600",
                                            "\xed\xa0\x80",
                                            "x",
                                            "\n",
                                            "0123456789abcd",
                                            "\xed\xbf\xbf"};
    std::string text;
    for (int n = pick({0, 1, 2, 5, 14, 15, 60, 300}); n > 0; --n) text += kPieces[below(10)];
    if (below(2000) == 0) text.append(70000, 'z');
    if (below(10) == 0) text.push_back('\0');
    return text;
  }

  std::mt19937 random_;
};

}  // namespace multiprocessing::test
