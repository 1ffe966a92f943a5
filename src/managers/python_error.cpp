// SPDX-License-Identifier: BSL-1.0
#include "managers/python_error.hpp"

#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/detail/type_name.hpp>
#include <multiprocessing/errors.hpp>
#include <string_view>
#include <typeinfo>

#include "process/error_codec.hpp"

namespace multiprocessing::managers {
namespace {

struct Home {
  std::string_view name;
  std::string_view module;  // where CPython has it
};

constexpr Home kHomes[] = {
    {"KeyError", "builtins"},
    {"IndexError", "builtins"},
    {"ValueError", "builtins"},
    {"TypeError", "builtins"},
    {"AttributeError", "builtins"},
    {"AssertionError", "builtins"},
    {"RuntimeError", "builtins"},
    {"NotImplementedError", "builtins"},
    {"MemoryError", "builtins"},
    {"EOFError", "builtins"},
    {"BrokenPipeError", "builtins"},
    {"StopIteration", "builtins"},
    {"Empty", "queue"},
    {"Full", "queue"},
    {"BrokenBarrierError", "threading"},
    {"TimeoutError", "multiprocessing.context"},
    {"ProcessError", "multiprocessing.context"},
    {"AuthenticationError", "multiprocessing.context"},
};

// A KeyError's text is the key's repr(), of which Python would show the repr() once more.
std::string key_in(const std::string& text) {
  const bool is_plain_text = text.size() >= 2 && text.front() == '\'' &&
                             text.find('\'', 1) == text.size() - 1 &&
                             text.find('\\') == std::string::npos;
  return is_plain_text ? text.substr(1, text.size() - 2) : text;
}

PythonError as_in_python(const std::string& type, const std::string& text) {
  for (const Home& home : kHomes) {
    if (home.name != type) continue;
    return {std::string(home.module), type, type == "KeyError" ? key_in(text) : text};
  }
  return {"multiprocessing.managers", "RemoteError", type + ": " + text};
}

}  // namespace

PythonError python_error_of(const std::exception_ptr& error) {
  // As a caller of this library gets it, so that there is one place that knows all that is thrown.
  detail::Encoder encoder;
  process::encode_error(encoder, error);
  detail::Decoder decoder(encoder.bytes());
  try {
    std::rethrow_exception(process::decode_error(decoder));
  } catch (const RemoteError& told) {
    return as_in_python(told.type_name(), told.message());
  } catch (const std::exception& told) {
    const std::string_view name = process::name_of_error(told);
    return as_in_python(name.empty() ? detail::readable_name(typeid(told)) : std::string(name),
                        told.what());
  }
}

void throw_python_error(const std::string& name, const Object& arguments,
                        const std::string& server) {
  std::string text;
  if (arguments.kind() == Object::Kind::kTuple && arguments.size() == 1) {
    // As Python's str() of it: a KeyError shows its key as repr.
    text = name == "KeyError" ? arguments[0].repr() : arguments[0].str();
  } else if (arguments.kind() == Object::Kind::kTuple && !arguments.empty()) {
    text = arguments.repr();
  }
  if (const auto error = process::make_error(name, text.empty() ? name : text))
    std::rethrow_exception(error);
  throw RemoteError(name, text, server, 0);
}

}  // namespace multiprocessing::managers
