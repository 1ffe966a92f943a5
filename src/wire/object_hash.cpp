// SPDX-License-Identifier: BSL-1.0
// Python's hash(): what compares equal has the same, whatever its type. Numbers have the very hash
// that CPython gives them, their value modulo the prime 2^61 - 1.
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <multiprocessing/detail/object_access.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <string_view>

#include "wire/object_rep.hpp"

namespace multiprocessing {
namespace detail {
namespace {

constexpr int kModulusBits = 61;
constexpr std::uint64_t kModulus = (std::uint64_t{1} << kModulusBits) - 1;

std::size_t hash_int(std::int64_t value) {
  const bool negative = value < 0;
  const std::uint64_t magnitude =
      negative ? ~static_cast<std::uint64_t>(value) + 1 : static_cast<std::uint64_t>(value);
  const std::uint64_t rest = magnitude % kModulus;
  return negative ? ~rest + 1 : rest;
}

// Horner's rule over 28 bits of the mantissa at a time; then the exponent is a rotation, because
// 2^61 is 1 modulo 2^61 - 1.
std::size_t hash_float(double value) {
  if (std::isnan(value)) return 0;
  if (std::isinf(value)) return hash_int(value > 0 ? 314159 : -314159);
  int exponent = 0;
  double mantissa = std::frexp(std::fabs(value), &exponent);
  std::uint64_t rest = 0;
  while (mantissa != 0) {
    rest = ((rest << 28) & kModulus) | (rest >> (kModulusBits - 28));
    mantissa *= 268435456.0;  // 2^28
    exponent -= 28;
    const auto digits = static_cast<std::uint64_t>(mantissa);
    mantissa -= static_cast<double>(digits);
    rest += digits;
    if (rest >= kModulus) rest -= kModulus;
  }
  const int shift = ((exponent % kModulusBits) + kModulusBits) % kModulusBits;
  if (shift != 0) rest = ((rest << shift) & kModulus) | (rest >> (kModulusBits - shift));
  return value < 0 ? ~rest + 1 : rest;
}

std::uint64_t mixed(std::uint64_t hash) {
  hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93U;
  return hash ^ (hash >> 32);
}

std::size_t hash(const Object& o, int depth);

std::size_t hash_tuple(const Object::List& items, int depth) {
  std::uint64_t result = 0x345678 + items.size();
  for (const Object& item : items) result = mixed(result ^ hash(item, depth)) * 3 + 1;
  return result;
}

std::size_t hash_set(const Object::Set& set) {
  std::uint64_t result = set.size();
  for (auto item = set.begin(); item != set.end(); ++item) result ^= mixed(item.hash() + 1);
  return mixed(result);
}

std::size_t hash(const Object& o, int depth) {
  switch (o.kind()) {
    case ObjectKind::kNone:
      return 0xfca86420;
    case ObjectKind::kBool:
      return ObjectAccess::number<bool>(o) ? 1 : 0;
    case ObjectKind::kInt:
      return hash_int(ObjectAccess::number<std::int64_t>(o));
    case ObjectKind::kFloat:
      return hash_float(ObjectAccess::number<double>(o));
    case ObjectKind::kStr:
    case ObjectKind::kBytes:
      if (ObjectAccess::is_short(o)) return hash_short(o);
      return std::hash<std::string_view>()(ObjectAccess::text(o));
    case ObjectKind::kTuple:
      return hash_tuple(ObjectAccess::list(o), deeper(depth, "hash"));
    case ObjectKind::kFrozenSet:
      return hash_set(ObjectAccess::set(o));
    case ObjectKind::kHandle:
      return ObjectAccess::handle(o).hash();
    default:
      break;
  }
  throw TypeError(fmt::format("unhashable type: '{}' (write a {} where it is a key)", o.type_name(),
                              o.kind() == ObjectKind::kSet ? "frozenset" : "tuple"));
}

}  // namespace
}  // namespace detail

// All ones marks a hole in the table of a dict or set; Python reserves -1 as well.
std::size_t Object::hash() const {
  const std::size_t result = detail::hash(*this, 0);
  return result == detail::kHole ? result - 1 : result;
}

}  // namespace multiprocessing
