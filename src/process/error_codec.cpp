// SPDX-License-Identifier: BSL-1.0
#include "process/error_codec.hpp"

#include <cxxabi.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <string>
#include <string_view>
#include <typeinfo>

#include "process/tree.hpp"

namespace multiprocessing::process {
namespace {

using detail::decode;
using detail::encode;

enum class Kind : std::uint8_t { kRemote, kOwnerDied, kWorkerLost, kPlain };

// An error that is its text and nothing else. The name travels: a manager's client may be of
// another build.
struct PlainError {
  std::string_view name;
  const std::type_info* type;
  std::exception_ptr (*make)(const std::string& text);
};

template <class E> constexpr PlainError plain(std::string_view name) {
  return {name, &typeid(E),
          [](const std::string& text) { return std::make_exception_ptr(E(text)); }};
}

const std::array kPlainErrors{plain<Error>("Error"),
                              plain<ProcessError>("ProcessError"),
                              plain<AuthenticationError>("AuthenticationError"),
                              plain<TimeoutError>("TimeoutError"),
                              plain<Empty>("Empty"),
                              plain<Full>("Full"),
                              plain<EOFError>("EOFError"),
                              plain<BrokenPipeError>("BrokenPipeError"),
                              plain<ValueError>("ValueError"),
                              plain<TypeError>("TypeError"),
                              plain<KeyError>("KeyError"),
                              plain<IndexError>("IndexError"),
                              plain<AttributeError>("AttributeError"),
                              plain<AssertionError>("AssertionError"),
                              plain<RuntimeError>("RuntimeError"),
                              plain<MemoryError>("MemoryError"),
                              plain<NotImplementedError>("NotImplementedError"),
                              plain<BrokenBarrierError>("BrokenBarrierError"),
                              plain<BrokenProcessPool>("BrokenProcessPool"),
                              plain<InvalidStateError>("InvalidStateError"),
                              plain<CancelledError>("CancelledError")};

std::string text_of(const std::exception& error) {
  const char* text = error.what();
  return text == nullptr ? std::string() : text;
}

void encode_remote(detail::Encoder& encoder, const std::string& type, const std::string& text) {
  encoder.put(Kind::kRemote);
  encode(encoder, type);
  encode(encoder, text);
  encode(encoder, name_of(*current()));
  encoder.put(static_cast<std::int32_t>(::getpid()));
}

void encode_standard(detail::Encoder& encoder, const std::exception& error) {
  const std::string_view name = name_of_error(error);
  if (name.empty())
    return encode_remote(encoder, detail::readable_name(typeid(error)), text_of(error));
  encoder.put(Kind::kPlain);
  encode(encoder, std::string(name));
  encode(encoder, text_of(error));
}

void encode_caught(detail::Encoder& encoder, const RemoteError& error) {
  encoder.put(Kind::kRemote);
  encode(encoder, error.type_name());
  encode(encoder, error.message());
  encode(encoder, error.process());
  encoder.put(static_cast<std::int32_t>(error.pid()));
}

void encode_caught(detail::Encoder& encoder, const OwnerDiedError& error) {
  encoder.put(Kind::kOwnerDied);
  encode(encoder, text_of(error));
  encode(encoder, error.name());
  encoder.put(static_cast<std::int32_t>(error.pid()));
  encoder.put(static_cast<std::uint64_t>(error.lost()));
}

void encode_caught(detail::Encoder& encoder, const WorkerLost& error) {
  encoder.put(Kind::kWorkerLost);
  encode(encoder, error.task());
  encoder.put(static_cast<std::int32_t>(error.pid()));
  encoder.put(static_cast<std::int32_t>(error.exitcode()));
}

std::string type_of_current_exception() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type == nullptr ? "unknown" : detail::readable_name(*type);
}

}  // namespace

std::exception_ptr make_error(std::string_view name, const std::string& text) {
  for (const PlainError& each : kPlainErrors)
    if (each.name == name) return each.make(text);
  return nullptr;
}

std::string_view name_of_error(const std::exception& error) noexcept {
  for (const PlainError& each : kPlainErrors)
    if (*each.type == typeid(error)) return each.name;
  return {};
}

void encode_error(detail::Encoder& encoder, const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const RemoteError& caught) {
    encode_caught(encoder, caught);
  } catch (const OwnerDiedError& caught) {
    encode_caught(encoder, caught);
  } catch (const WorkerLost& caught) {
    encode_caught(encoder, caught);
  } catch (const std::exception& caught) {
    encode_standard(encoder, caught);
  } catch (const SystemExit& exit) {
    encode_remote(encoder, detail::readable_name(typeid(SystemExit)),
                  fmt::format("exit({})", exit.code()));
  } catch (const std::string& text) {
    encode_remote(encoder, "std::string", text);
  } catch (const char* text) {
    encode_remote(encoder, "char const*", text == nullptr ? "" : text);
  } catch (int number) {
    encode_remote(encoder, "int", std::to_string(number));
  } catch (...) {
    encode_remote(encoder, type_of_current_exception(), "(not a std::exception)");
  }
}

std::exception_ptr decode_error(detail::Decoder& decoder) {
  switch (decoder.take<Kind>()) {
    case Kind::kRemote: {
      auto type = decode<std::string>(decoder);
      auto text = decode<std::string>(decoder);
      auto process = decode<std::string>(decoder);
      const auto pid = decoder.take<std::int32_t>();
      return std::make_exception_ptr(
          RemoteError(std::move(type), std::move(text), std::move(process), pid));
    }
    case Kind::kOwnerDied: {
      const auto text = decode<std::string>(decoder);
      auto name = decode<std::string>(decoder);
      const auto pid = decoder.take<std::int32_t>();
      const auto lost = decoder.take<std::uint64_t>();
      return std::make_exception_ptr(OwnerDiedError(text, pid, std::move(name), lost));
    }
    case Kind::kWorkerLost: {
      auto task = decode<std::string>(decoder);
      const auto pid = decoder.take<std::int32_t>();
      const auto exitcode = decoder.take<std::int32_t>();
      return std::make_exception_ptr(WorkerLost(pid, exitcode, std::move(task)));
    }
    case Kind::kPlain: {
      const auto name = decode<std::string>(decoder);
      if (auto error = make_error(name, decode<std::string>(decoder))) return error;
      break;
    }
  }
  throw ValueError("cannot decode an error of another process: its kind is unknown");
}

}  // namespace multiprocessing::process
