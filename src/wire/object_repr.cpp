// SPDX-License-Identifier: BSL-1.0
// Python's repr() and str(), letter for letter; sets alone are printed in the order of insertion.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <iterator>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <ostream>
#include <string_view>

#include "wire/object_rep.hpp"
#include "wire/utf8.hpp"

namespace multiprocessing {
namespace detail {
namespace {

char quote_for(std::string_view text) {
  const bool prefers_double =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  return prefers_double ? '"' : '\'';
}

// What str and bytes have in common. False: `c` needs no escape that both know.
bool append_escape(std::string& out, char32_t c, char quote) {
  switch (c) {
    case '\t':
      out += "\\t";
      return true;
    case '\n':
      out += "\\n";
      return true;
    case '\r':
      out += "\\r";
      return true;
    case '\\':
      out += "\\\\";
      return true;
    default:
      break;
  }
  if (c != static_cast<unsigned char>(quote)) return false;
  out += '\\';
  out += quote;
  return true;
}

void append_str(std::string& out, std::string_view text) {
  const char quote = quote_for(text);
  out += quote;
  while (!text.empty()) {
    const std::string_view before = text;
    const char32_t c = wire::take_character(text);
    if (append_escape(out, c, quote)) continue;
    const auto number = static_cast<std::uint32_t>(c);
    if (wire::is_printable(c))
      out += before.substr(0, before.size() - text.size());
    else if (number < 0x100)
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", number);
    else if (number < 0x10000)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", number);
    else
      fmt::format_to(std::back_inserter(out), "\\U{:08x}", number);
  }
  out += quote;
}

void append_bytes(std::string& out, std::string_view bytes) {
  const char quote = quote_for(bytes);
  out += 'b';
  out += quote;
  for (const char byte : bytes) {
    const auto c = static_cast<unsigned char>(byte);
    if (append_escape(out, c, quote)) continue;
    if (c >= 0x20 && c < 0x7f)
      out += byte;
    else
      fmt::format_to(std::back_inserter(out), "\\x{:02x}", c);
  }
  out += quote;
}

// The shortest digits that give the number back, laid out as Python does: with an exponent below
// 1e-4 and from 1e16 on, and always with a point or an exponent.
void append_float(std::string& out, double value) {
  if (std::isnan(value)) return void(out += "nan");
  if (std::signbit(value)) out += '-';
  if (std::isinf(value)) return void(out += "inf");
  char buffer[32];
  const char* const end =
      std::to_chars(buffer, std::end(buffer), std::fabs(value), std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), end, exponent);
  std::string digits(text.substr(0, 1));
  if (e > 2) digits += text.substr(2, e - 2);
  const auto count = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (count > 1) out.append(".").append(digits, 1);
    fmt::format_to(std::back_inserter(out), "e{:+03}", exponent);
  } else if (exponent < 0) {
    out.append("0.").append(static_cast<std::size_t>(-exponent) - 1, '0').append(digits);
  } else if (count <= exponent + 1) {
    out.append(digits).append(static_cast<std::size_t>(exponent + 1 - count), '0').append(".0");
  } else {
    digits.insert(static_cast<std::size_t>(exponent) + 1, ".");
    out += digits;
  }
}

void append(std::string& out, const Object& o, int depth);

template <class Items>
void append_items(std::string& out, const Items& items, const char* open, const char* close,
                  int depth) {
  out += open;
  bool first = true;
  for (const Object& item : items) {
    if (!first) out += ", ";
    first = false;
    append(out, item, depth);
  }
  out += close;
}

void append_dict(std::string& out, const Object::Dict& dict, int depth) {
  out += '{';
  bool first = true;
  for (const auto& [key, value] : dict) {
    if (!first) out += ", ";
    first = false;
    append(out, key, depth);
    out += ": ";
    append(out, value, depth);
  }
  out += '}';
}

void append_container(std::string& out, const Object& o, int depth) {
  switch (o.kind()) {
    case ObjectKind::kList:
      return append_items(out, ObjectAccess::list(o), "[", "]", depth);
    case ObjectKind::kTuple: {
      const auto& items = ObjectAccess::list(o);
      return append_items(out, items, "(", items.size() == 1 ? ",)" : ")", depth);
    }
    case ObjectKind::kDict:
      return append_dict(out, ObjectAccess::dict(o), depth);
    case ObjectKind::kSet:
      if (ObjectAccess::set(o).empty()) return void(out += "set()");
      return append_items(out, ObjectAccess::set(o), "{", "}", depth);
    case ObjectKind::kHandle:
      return void(out += ObjectAccess::handle(o).repr());
    default:
      if (ObjectAccess::set(o).empty()) return void(out += "frozenset()");
      return append_items(out, ObjectAccess::set(o), "frozenset({", "})", depth);
  }
}

void append(std::string& out, const Object& o, int depth) {
  switch (o.kind()) {
    case ObjectKind::kNone:
      return void(out += "None");
    case ObjectKind::kBool:
      return void(out += ObjectAccess::number<bool>(o) ? "True" : "False");
    case ObjectKind::kInt:
      return void(
          fmt::format_to(std::back_inserter(out), "{}", ObjectAccess::number<std::int64_t>(o)));
    case ObjectKind::kFloat:
      return append_float(out, ObjectAccess::number<double>(o));
    case ObjectKind::kStr:
      return append_str(out, ObjectAccess::text(o));
    case ObjectKind::kBytes:
      return append_bytes(out, ObjectAccess::text(o));
    default:
      return append_container(out, o, deeper(depth, "print"));
  }
}

}  // namespace

std::string brief(const Object& o) {
  constexpr std::size_t kShown = 60;
  std::string text;
  try {
    text = o.repr();
  } catch (const RuntimeError&) {
    return "(nested too deep to be shown)";
  }
  if (text.size() <= kShown) return text;
  std::size_t end = kShown;
  while ((static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) --end;  // not within a character
  return text.substr(0, end) + "...";
}

std::string describe(const Object& o) {
  return o.is_none() ? "None" : fmt::format("{} {}", o.type_name(), brief(o));
}

}  // namespace detail

const char* Object::type_name() const noexcept {
  switch (kind()) {
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kStr:
      return "str";
    case Kind::kBytes:
      return "bytes";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kSet:
      return "set";
    case Kind::kFrozenSet:
      break;
    case Kind::kHandle:
      return detail::ObjectAccess::handle(*this).type_name();
  }
  return "frozenset";
}

std::string Object::repr() const {
  std::string out;
  detail::append(out, *this, 0);
  return out;
}

std::string Object::str() const {
  if (kind() == Kind::kStr) return std::string(detail::ObjectAccess::text(*this));
  return kind() == Kind::kHandle ? detail::ObjectAccess::handle(*this).str() : repr();
}

std::ostream& Object::print(std::ostream& out) const { return out << repr(); }

}  // namespace multiprocessing

fmt::format_context::iterator fmt::formatter<multiprocessing::Object>::format(
    const multiprocessing::Object& o, fmt::format_context& context) const {
  return fmt::formatter<fmt::string_view>::format(o.repr(), context);
}
