// SPDX-License-Identifier: BSL-1.0
#include "managers/remote_error.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdint>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <string_view>
#include <typeinfo>

namespace multiprocessing::managers {
namespace {

struct Known {
  std::string_view name;
  const std::type_info& type;
  void (*raise)(const std::string& what);
  std::string_view module;  // where CPython has it
};

template <class E> void raise_as(const std::string& what) { throw E(what); }

const Known kKnown[] = {
    {"KeyError", typeid(KeyError), raise_as<KeyError>, "builtins"},
    {"IndexError", typeid(IndexError), raise_as<IndexError>, "builtins"},
    {"ValueError", typeid(ValueError), raise_as<ValueError>, "builtins"},
    {"TypeError", typeid(TypeError), raise_as<TypeError>, "builtins"},
    {"AttributeError", typeid(AttributeError), raise_as<AttributeError>, "builtins"},
    {"AssertionError", typeid(AssertionError), raise_as<AssertionError>, "builtins"},
    {"RuntimeError", typeid(RuntimeError), raise_as<RuntimeError>, "builtins"},
    {"NotImplementedError", typeid(NotImplementedError), raise_as<NotImplementedError>, "builtins"},
    {"MemoryError", typeid(MemoryError), raise_as<MemoryError>, "builtins"},
    {"EOFError", typeid(EOFError), raise_as<EOFError>, "builtins"},
    {"BrokenPipeError", typeid(BrokenPipeError), raise_as<BrokenPipeError>, "builtins"},
    {"Empty", typeid(Empty), raise_as<Empty>, "queue"},
    {"Full", typeid(Full), raise_as<Full>, "queue"},
    {"BrokenBarrierError", typeid(BrokenBarrierError), raise_as<BrokenBarrierError>, "threading"},
    {"TimeoutError", typeid(TimeoutError), raise_as<TimeoutError>, "multiprocessing.context"},
    {"ProcessError", typeid(ProcessError), raise_as<ProcessError>, "multiprocessing.context"},
    {"AuthenticationError", typeid(AuthenticationError), raise_as<AuthenticationError>,
     "multiprocessing.context"},
};

const Known* known(std::string_view name) noexcept {
  for (const Known& each : kKnown) {
    if (each.name == name) return &each;
  }
  return nullptr;
}
const Known* known(const std::type_info& type) noexcept {
  for (const Known& each : kKnown) {
    if (each.type == type) return &each;
  }
  return nullptr;
}

struct Described {
  std::string name;  // of the library's error; empty: another
  std::string what;
  std::string type_name;
  std::string process;
  std::int32_t pid = 0;
  std::uint64_t lost = 0;
};

Described describe(const std::exception_ptr& error) {
  Described told;
  told.process = current_process().name();
  told.pid = ::getpid();
  try {
    std::rethrow_exception(error);
  } catch (const OwnerDiedError& died) {
    told = {"OwnerDiedError", died.what(), {}, died.name(), died.pid(), died.lost()};
  } catch (const RemoteError& remote) {
    told = {"", remote.message(), remote.type_name(), remote.process(), remote.pid(), 0};
  } catch (const SystemExit& exit) {
    told.type_name = "SystemExit";
    told.what = fmt::format("{}", exit.code());
  } catch (const std::exception& other) {
    if (const Known* const found = known(typeid(other))) told.name = found->name;
    told.type_name = detail::readable_name(typeid(other));
    told.what = other.what();
  } catch (...) {
    told.type_name = "something that is no std::exception";
  }
  return told;
}

}  // namespace

void encode_error(detail::Encoder& out, const std::exception_ptr& error) {
  const Described told = describe(error);
  detail::encode(out, told.name);
  detail::encode(out, told.what);
  detail::encode(out, told.type_name);
  detail::encode(out, told.process);
  out.put(told.pid);
  out.put(told.lost);
}

void throw_error(detail::Decoder& in) {
  Described told;
  told.name = detail::decode<std::string>(in);
  told.what = detail::decode<std::string>(in);
  told.type_name = detail::decode<std::string>(in);
  told.process = detail::decode<std::string>(in);
  told.pid = in.take<std::int32_t>();
  told.lost = in.take<std::uint64_t>();
  if (told.name == "OwnerDiedError") {
    throw OwnerDiedError(told.what, told.pid, told.process, told.lost);
  }
  if (const Known* const found = known(told.name)) found->raise(told.what);
  throw RemoteError(told.type_name, told.what, told.process, told.pid);
}

PythonError python_error_of(const std::exception_ptr& error) {
  const Described told = describe(error);
  if (const Known* const found = known(told.name)) {
    return {std::string(found->module), told.name, told.what};
  }
  const std::string& type = told.name.empty() ? told.type_name : told.name;
  return {"multiprocessing.managers", "RemoteError", type + ": " + told.what};
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
  if (const Known* const found = known(name)) found->raise(text.empty() ? name : text);
  throw RemoteError(name, text, server, 0);
}

}  // namespace multiprocessing::managers
