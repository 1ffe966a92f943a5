// SPDX-License-Identifier: BSL-1.0
// Python's comparisons of values.
#include <fmt/format.h>

#include <cmath>
#include <compare>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <string_view>

#include "wire/object_rep.hpp"

namespace multiprocessing {
namespace detail {
namespace {

using Access = ObjectAccess;

bool is_number(const Object& o) {
  return o.kind() == ObjectKind::kBool || o.kind() == ObjectKind::kInt ||
         o.kind() == ObjectKind::kFloat;
}

bool is_set(const Object& o) {
  return o.kind() == ObjectKind::kSet || o.kind() == ObjectKind::kFrozenSet;
}

std::int64_t integer(const Object& o) {
  if (o.kind() == ObjectKind::kBool) return Access::number<bool>(o) ? 1 : 0;
  return Access::number<std::int64_t>(o);
}

// Exact, unlike a comparison of both as double: 2**53 + 1 is not 2.0**53.
std::partial_ordering compare(std::int64_t a, double b) {
  if (std::isnan(b)) return std::partial_ordering::unordered;
  constexpr double kTwoTo63 = 9223372036854775808.0;
  if (b >= kTwoTo63) return std::partial_ordering::less;
  if (b < -kTwoTo63) return std::partial_ordering::greater;
  const double whole = std::trunc(b);
  const std::strong_ordering order = a <=> static_cast<std::int64_t>(whole);
  return order != 0 ? order : whole <=> b;
}

std::partial_ordering compare_numbers(const Object& a, const Object& b) {
  const bool a_is_float = a.kind() == ObjectKind::kFloat;
  const bool b_is_float = b.kind() == ObjectKind::kFloat;
  if (a_is_float && b_is_float) return Access::number<double>(a) <=> Access::number<double>(b);
  if (a_is_float) return 0 <=> compare(integer(b), Access::number<double>(a));
  if (b_is_float) return compare(integer(a), Access::number<double>(b));
  return integer(a) <=> integer(b);
}

bool equal_lists(const Object::List& a, const Object::List& b, int depth) {
  if (&a == &b) return true;  // as in Python, also with a nan inside
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!equal(a[i], b[i], depth)) return false;
  return true;
}

bool equal_dicts(const Object::Dict& a, const Object::Dict& b, int depth) {
  if (&a == &b) return true;
  if (a.size() != b.size()) return false;
  for (auto item = a.begin(); item != a.end(); ++item) {
    const Object* other = b.find(item->first, item.hash());
    if (other == nullptr || !equal(item->second, *other, depth)) return false;
  }
  return true;
}

bool is_subset(const Object::Set& a, const Object::Set& b) {
  if (&a == &b) return true;
  if (a.size() > b.size()) return false;
  for (auto item = a.begin(); item != a.end(); ++item)
    if (!b.contains(*item, item.hash())) return false;
  return true;
}

bool in_order(std::partial_ordering outcome, ObjectOrder order) {
  switch (order) {
    case ObjectOrder::kLess:
      return outcome < 0;
    case ObjectOrder::kLessEqual:
      return outcome <= 0;
    case ObjectOrder::kGreater:
      return outcome > 0;
    case ObjectOrder::kGreaterEqual:
      break;
  }
  return outcome >= 0;
}

bool in_order_sets(const Object::Set& a, const Object::Set& b, ObjectOrder order) {
  switch (order) {
    case ObjectOrder::kLess:
      return a.size() < b.size() && is_subset(a, b);
    case ObjectOrder::kLessEqual:
      return is_subset(a, b);
    case ObjectOrder::kGreater:
      return b.size() < a.size() && is_subset(b, a);
    case ObjectOrder::kGreaterEqual:
      break;
  }
  return is_subset(b, a);
}

const char* sign(ObjectOrder order) {
  switch (order) {
    case ObjectOrder::kLess:
      return "<";
    case ObjectOrder::kLessEqual:
      return "<=";
    case ObjectOrder::kGreater:
      return ">";
    case ObjectOrder::kGreaterEqual:
      break;
  }
  return ">=";
}

bool compare(const Object& a, const Object& b, ObjectOrder order, int depth);

bool in_order_lists(const Object::List& a, const Object::List& b, ObjectOrder order, int depth) {
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    if (!equal(a[i], b[i], depth)) return compare(a[i], b[i], order, depth);
  return in_order(a.size() <=> b.size(), order);
}

bool compare(const Object& a, const Object& b, ObjectOrder order, int depth) {
  if (is_number(a) && is_number(b)) return in_order(compare_numbers(a, b), order);
  if (is_set(a) && is_set(b)) return in_order_sets(Access::set(a), Access::set(b), order);
  if (a.kind() == b.kind()) {
    switch (a.kind()) {
      case ObjectKind::kStr:
      case ObjectKind::kBytes:
        return in_order(Access::text(a) <=> Access::text(b), order);
      case ObjectKind::kList:
      case ObjectKind::kTuple:
        return in_order_lists(Access::list(a), Access::list(b), order, deeper(depth, "compare"));
      default:
        break;
    }
  }
  throw TypeError(fmt::format("'{}' not supported between instances of '{}' and '{}'", sign(order),
                              a.type_name(), b.type_name()));
}

}  // namespace

bool equal(const Object& a, const Object& b, int depth) {
  if (is_number(a)) return is_number(b) && compare_numbers(a, b) == 0;
  if (is_set(a)) {
    if (!is_set(b)) return false;
    return Access::set(a).size() == Access::set(b).size() &&
           is_subset(Access::set(a), Access::set(b));
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case ObjectKind::kNone:
      return true;
    case ObjectKind::kStr:
    case ObjectKind::kBytes:
      return Access::text(a) == Access::text(b);
    case ObjectKind::kDict:
      return equal_dicts(Access::dict(a), Access::dict(b), deeper(depth, "compare"));
    case ObjectKind::kHandle:
      return Access::handle(a).same_as(Access::handle(b));
    default:
      return equal_lists(Access::list(a), Access::list(b), deeper(depth, "compare"));
  }
}

void fail_depth(const char* what) {
  throw RuntimeError(
      fmt::format("cannot {} an Object that is nested more than {} levels deep; make it flatter",
                  what, kObjectDepthMax));
}

}  // namespace detail

bool Object::equals(const Object& other) const { return detail::equal(*this, other, 0); }

bool Object::in_order(const Object& a, detail::ObjectOrder order, const Object& b) {
  return detail::compare(a, b, order, 0);
}

}  // namespace multiprocessing
