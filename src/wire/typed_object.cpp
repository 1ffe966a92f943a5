// SPDX-License-Identifier: BSL-1.0
// mp::Object as a message, and typed messages read as an Object: by walking over the structure of
// the sender's type (the grammar in fingerprint.hpp) and over the bytes side by side.
#include <fmt/format.h>

#include <charconv>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/detail/object_access.hpp>
#include <multiprocessing/detail/object_codec.hpp>
#include <multiprocessing/errors.hpp>
#include <utility>

#include "wire/type_registry.hpp"

namespace multiprocessing::wire {

using detail::Codec;
using detail::Decoder;
using detail::ObjectAccess;

namespace {

/// A position in the structure of a type.
class Structure {
 public:
  explicit Structure(std::string_view text) : at_(text) {}

  char next() {
    const char c = at_.front();
    at_.remove_prefix(1);
    return c;
  }

  bool skip_if(char c) {
    if (at_.empty() || at_.front() != c) return false;
    at_.remove_prefix(1);
    return true;
  }

  std::size_t number() {
    std::size_t n = 0;
    const char* const end = std::from_chars(at_.data(), at_.data() + at_.size(), n).ptr;
    at_.remove_prefix(static_cast<std::size_t>(end - at_.data()));
    return n;
  }

  // From the beginning of a type, or of its brackets, to its end.
  void skip_type() {
    int depth = 0;
    while (!at_.empty() && (depth > 0 || (at_.front() != ',' && at_.front() != ')'))) {
      const char c = next();
      depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    }
  }

 private:
  std::string_view at_;
};

// Where a sequence of such elements begins: if they lie side by side as in memory, at a multiple of
// this.
std::size_t alignment(Structure element) {
  switch (element.next()) {
    case 'i':
    case 'u':
      return element.number();
    case 'f': {
      const std::size_t bytes = element.number();
      return bytes <= 8 ? bytes : 1;
    }
    case 'E':
      element.next();
      return alignment(element);
    case 'A':
      if (element.number() == 0) return 1;
      element.next();
      return alignment(element);
    default:
      return 1;
  }
}

/// Reads values, each function one: with the structure at the beginning of its type, or of the
/// brackets of that, and at the end of it afterwards.
class TypedReader {
 public:
  TypedReader(std::string_view structure, Decoder& decoder) : type_(structure), from_(decoder) {}

  Object read() {
    const char tag = type_.next();
    switch (tag) {
      case 'b':
        return Codec<bool>::decode(from_);
      case 'i':
        return read_signed(type_.number());
      case 'u':
        return read_unsigned(type_.number());
      case 'f':
        return read_floating(type_.number());
      case 's':
        return Codec<std::string>::decode(from_);
      case 'y':
        return Codec<std::vector<std::byte>>::decode(from_);
      case 'B':
        return Codec<std::vector<bool>>::decode(from_);
      case 'n':
        return read_unit(Object());
      case '?':
        return detail::decode_object(from_);
      case 'E':
        return read_enum();
      case 'O':
        return read_optional();
      case 'X':
        return read_variant();
      case 'A':
        return read_array(type_.number());
      case 'P':
      case 'T':
        return read_tuple();
      case 'H': {
        const auto type = static_cast<detail::Fingerprint>(type_.number());
        return detail::make_shared_handle(type, from_.read_handle());
      }
      case 'R':
        type_.number();
        return detail::decode_handle(detail::HeldHandle::Form::kProxy, from_);
      case 'M':
      case 'N':
        return read_dict();
      case 'S':
      case 'U':
        return read_set();
      default:  // V, Q, L
        return read_sequence();
    }
  }

 private:
  Object read_signed(std::size_t bytes) {
    switch (bytes) {
      case 1:
        return from_.take<std::int8_t>();
      case 2:
        return from_.take<std::int16_t>();
      case 4:
        return from_.take<std::int32_t>();
      default:
        return from_.take<std::int64_t>();
    }
  }

  Object read_unsigned(std::size_t bytes) {
    switch (bytes) {
      case 1:
        return from_.take<std::uint8_t>();
      case 2:
        return from_.take<std::uint16_t>();
      case 4:
        return from_.take<std::uint32_t>();
      default:
        return from_.take<std::uint64_t>();
    }
  }

  Object read_floating(std::size_t bytes) {
    switch (bytes) {
      case 4:
        return from_.take<float>();
      case 8:
        return from_.take<double>();
      default:
        return static_cast<double>(Codec<long double>::decode(from_));
    }
  }

  Object read_unit(Object value) {
    from_.view(1);
    return value;
  }

  Object read_enclosed() {
    type_.next();
    Object value = read();
    type_.next();
    return value;
  }

  Object read_enum() {
    Object number = read_enclosed();
    return number.is<bool>() ? Object(static_cast<int>(number.as<bool>())) : number;
  }

  Object read_optional() {
    if (from_.take<std::uint8_t>() != 0) return read_enclosed();
    type_.skip_type();
    return {};
  }

  Object read_variant() {
    type_.next();
    for (auto others = from_.take<std::uint8_t>(); others > 0; --others) {
      type_.skip_type();
      if (!type_.skip_if(',')) throw ValueError("cannot decode a message: no such std::variant");
    }
    Object value = read();
    while (type_.skip_if(',')) type_.skip_type();
    type_.next();
    return value;
  }

  // `n` values of the type that stands here in brackets; for a map pairs of the two types.
  template <class Read> void read_each(std::size_t n, Read read_one) {
    const Structure begin = type_;
    for (std::size_t i = 0; i < n; ++i) {
      type_ = begin;
      type_.next();
      read_one();
      type_.next();
    }
    if (n == 0) type_.skip_type();
  }

  Object read_items(std::size_t n) {
    Object::List items;
    items.reserve(n);
    read_each(n, [&] { items.push_back(read()); });
    return ObjectAccess::make(std::move(items));
  }

  Object read_array(std::size_t n) {
    if (n == 0) from_.view(1);
    return read_items(n);
  }

  Object read_sequence() {
    const std::size_t n = from_.read_length();
    Structure element = type_;
    element.next();
    from_.align(alignment(element));
    return read_items(n);
  }

  Object read_tuple() {
    Object::Tuple items;
    if (type_.skip_if('0')) {
      from_.view(1);
      return ObjectAccess::make(std::move(items));
    }
    type_.next();
    do {
      items.push_back(read());
    } while (type_.skip_if(','));
    type_.next();
    return ObjectAccess::make(std::move(items));
  }

  Object read_dict() {
    Object::Dict items;
    read_each(from_.read_length(2), [&] {
      Object key = ObjectAccess::as_key(read());
      type_.next();
      items.insert_or_assign(std::move(key), read());
    });
    return ObjectAccess::make(std::move(items));
  }

  Object read_set() {
    Object::Set items;
    read_each(from_.read_length(), [&] { items.insert(ObjectAccess::as_key(read())); });
    return ObjectAccess::make(std::move(items));
  }

  Structure type_;
  Decoder& from_;
};

}  // namespace
}  // namespace multiprocessing::wire

namespace multiprocessing::detail {

Object decode_as_object(Fingerprint sent, Decoder& decoder) {
  const std::optional<std::string> structure = wire::structure_of(sent);
  if (!structure) fail_other_type(sent, type_name<Object>());
  return wire::TypedReader(*structure, decoder).read();
}

}  // namespace multiprocessing::detail
