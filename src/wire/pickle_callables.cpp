// SPDX-License-Identifier: BSL-1.0
#include "wire/pickle_callables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <multiprocessing/object.hpp>
#include <string>

#include "wire/utf8.hpp"

namespace multiprocessing::wire {

using detail::ObjectAccess;
using detail::ObjectKind;

namespace {

struct Known {
  std::string_view module;
  std::string_view name;
  PickleCallable callable;
};

// Protocol 2 keeps the names of Python 2.
constexpr Known kKnown[] = {
    {"builtins", "bytearray", PickleCallable::kByteArray},
    {"builtins", "bytes", PickleCallable::kBytes},
    {"builtins", "set", PickleCallable::kSet},
    {"builtins", "frozenset", PickleCallable::kFrozenSet},
    {"__builtin__", "bytearray", PickleCallable::kByteArray},
    {"__builtin__", "bytes", PickleCallable::kBytes},
    {"__builtin__", "set", PickleCallable::kSet},
    {"__builtin__", "frozenset", PickleCallable::kFrozenSet},
    {"_codecs", "encode", PickleCallable::kEncodeText},
};

Object latin1_of(const PickleInput& in, std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size());
  while (!text.empty()) {
    const char32_t c = take_character(text);
    if (c > 0xff) in.fail("text is to be encoded as Latin-1 and is not");
    bytes.push_back(static_cast<char>(c));
  }
  return Object::bytes(bytes);
}

// Of what a text from somewhere else is printed in an error message.
constexpr std::size_t kNameMax = 200;

}  // namespace

PickleCallable find_callable(const PickleInput& in, std::string_view module,
                             std::string_view name) {
  const auto* const known = std::ranges::find_if(
      kKnown, [&](const Known& k) { return k.module == module && k.name == name; });
  if (known != std::end(kKnown)) return known->callable;
  const std::string full =
      fmt::format("{}.{}", module.substr(0, kNameMax), name.substr(0, kNameMax));
  in.fail(
      fmt::format("it asks for {}, and only None, bool, int, float, str, bytes, bytearray, "
                  "list, tuple, dict, set and frozenset are received; send it as such",
                  Object(full).repr()));
}

Object argument_of(const PickleInput& in, PickleCallable callable, const Object::List& arguments) {
  const auto is = [&](std::size_t i, ObjectKind kind) {
    return i < arguments.size() && arguments[i].kind() == kind;
  };
  switch (callable) {
    case PickleCallable::kBytes:
      if (arguments.empty()) return Object::bytes("");
      break;
    case PickleCallable::kByteArray:
      if (arguments.empty()) return Object::bytes("");
      if (arguments.size() == 1 && is(0, ObjectKind::kBytes)) return arguments[0];
      break;
    case PickleCallable::kSet:
    case PickleCallable::kFrozenSet:
      if (arguments.size() == 1 && is(0, ObjectKind::kList)) return arguments[0];
      break;
    case PickleCallable::kEncodeText:
      if (arguments.size() == 2 && is(0, ObjectKind::kStr) && is(1, ObjectKind::kStr) &&
          ObjectAccess::text(arguments[1]) == "latin1")
        return latin1_of(in, ObjectAccess::text(arguments[0]));
      break;
    case PickleCallable::kNone:
      break;
  }
  in.fail("a set, bytes or bytearray is to be made of something that it cannot be made of");
}

}  // namespace multiprocessing::wire
