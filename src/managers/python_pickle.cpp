// SPDX-License-Identifier: BSL-1.0
#include "managers/python_pickle.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <string_view>

#include "managers/link.hpp"
#include "wire/pickle_opcodes.hpp"

namespace multiprocessing::managers {
namespace {

// Operations that take two values and leave one, as kTuple2 does, and for which it stands here.
constexpr std::uint8_t kNewObj = 0x81;
constexpr std::uint8_t kBuild = 'b';

std::uint64_t number_at(std::span<const std::byte> bytes, std::size_t at, std::size_t size) {
  if (at > bytes.size() || size > bytes.size() - at) {
    throw ValueError("a pickle from Python is cut short");
  }
  std::uint64_t number = 0;
  for (std::size_t i = size; i-- > 0;) {
    number = number << 8 | std::to_integer<std::uint64_t>(bytes[at + i]);
  }
  return number;
}

// How many bytes follow the operation at `at`.
std::uint64_t argument_bytes(std::span<const std::byte> bytes, std::size_t at) {
  const auto counted = [&](std::size_t size) { return size + number_at(bytes, at + 1, size); };
  switch (std::to_integer<std::uint8_t>(bytes[at])) {
    case wire::kProto:
    case wire::kBinInt1:
    case wire::kBinPut:
    case wire::kBinGet:
      return 1;
    case wire::kBinInt2:
      return 2;
    case wire::kBinInt:
    case wire::kLongBinPut:
    case wire::kLongBinGet:
      return 4;
    case wire::kFrame:
    case wire::kBinFloat:
      return 8;
    case wire::kLong1:
    case wire::kShortBinUnicode:
    case wire::kShortBinBytes:
      return counted(1);
    case wire::kLong4:
    case wire::kBinUnicode:
    case wire::kBinBytes:
      return counted(4);
    case wire::kBinUnicode8:
    case wire::kBinBytes8:
    case wire::kByteArray8:
      return counted(8);
    default:
      return 0;
  }
}

// Calls that only say which container it is: `list(…)` of a dict's keys.
Object plain(const Object& value) {
  if (value.kind() == Object::Kind::kList || value.kind() == Object::Kind::kTuple) {
    Object::List items;
    for (const Object& item : value) items.push_back(plain(item));
    const bool is_tuple = value.kind() == Object::Kind::kTuple;
    const bool is_call = is_tuple && items.size() == 2 && items[0].kind() == Object::Kind::kTuple &&
                         items[0].size() == 2 && items[0][0] == Object("builtins") &&
                         items[1].kind() == Object::Kind::kTuple && items[1].size() == 1;
    if (is_call && items[0][1] == Object("list")) return Object::list(items[1][0]);
    if (is_call && items[0][1] == Object("set")) return Object::set(items[1][0]);
    if (is_call && items[0][1] == Object("frozenset")) return Object::frozenset(items[1][0]);
    if (is_call && items[0][1] == Object("bytearray")) return items[1][0];
    return is_tuple ? Object::tuple(items) : Object::list(items);
  }
  if (value.kind() != Object::Kind::kDict) return value;
  Object dict = Object::dict();
  for (const auto& [key, item] : value.items()) dict[key] = plain(item);
  return dict;
}

void put_text(detail::Encoder& out, std::string_view text) {
  out.put(static_cast<std::uint8_t>(wire::kBinUnicode));
  out.put(static_cast<std::uint32_t>(text.size()));
  out.write(text.data(), text.size());
}

void put_op(detail::Encoder& out, std::uint8_t op) { out.put(op); }

void begin_reply(detail::Encoder& out, std::string_view kind) {
  put_op(out, wire::kProto);
  out.put(std::uint8_t{4});
  put_text(out, kind);
}

void put_class(detail::Encoder& out, std::string_view module, std::string_view name) {
  put_text(out, module);
  put_text(out, name);
  put_op(out, wire::kStackGlobal);
}

// As Python's sockets write it: a text, or a host and a port.
void put_address(detail::Encoder& out, const Address& address) {
  if (!address.path().empty()) return put_text(out, address.path());
  put_text(out, address.host());
  put_op(out, wire::kBinInt);
  out.put(static_cast<std::int32_t>(address.port()));
  put_op(out, wire::kTuple2);
}

}  // namespace

Object python_request(const Object& id, const std::string& method, const Object& args,
                      const Object& kwds) {
  return Object::tuple({id, method, args, kwds});
}

Object decode_python(std::span<const std::byte> pickle) {
  std::vector<std::byte> bytes(pickle.begin(), pickle.end());
  bool has_classes = false;
  for (std::size_t at = 0; at < bytes.size();) {
    const std::uint64_t skip = 1 + argument_bytes(bytes, at);
    switch (std::to_integer<std::uint8_t>(bytes[at])) {
      case wire::kStackGlobal:
      case wire::kReduce:
      case kNewObj:
      case kBuild:
        bytes[at] = std::byte{wire::kTuple2};
        has_classes = true;
        break;
      default:
        break;
    }
    if (skip > bytes.size() - at) throw ValueError("a pickle from Python is cut short");
    at += skip;
  }
  Object value = detail::decode_pickle(bytes);
  return has_classes ? plain(value) : value;
}

Object exchange_pickles(Channel& channel, const Object& request) {
  detail::OutgoingEncoder encoder;
  detail::encode_pickle(*encoder, request);
  const auto reply = send_frame(channel.socket.get(), *encoder)
                         ? channel.reader.read(channel.socket.get(), kAnyLength)
                         : std::nullopt;
  if (!reply) throw EOFError("the manager's server has ended");
  return decode_python(*reply);
}

Object python_result(const Object& reply, const std::string& server) {
  if (reply.kind() != Object::Kind::kTuple || reply.size() != 2 || !reply[0].is<std::string>()) {
    throw ValueError("a manager's server in Python gave a reply that is none");
  }
  const auto kind = reply[0].as<std::string>();
  const Object value = reply[1];
  if (kind == "#RETURN" || kind == "#PROXY") return value;
  if (kind == "#ERROR") {
    // (class, args), or that with a state.
    Object call = value;
    while (call.size() == 2 && call[0].size() == 2 && !call[0][0].is<std::string>()) call = call[0];
    throw_python_error(call[0][1].as<std::string>(), call[1], server);
  }
  const auto traceback = value.is<std::string>() ? value.as<std::string>() : value.repr();
  // Its last line is the exception's own: "KeyError: 'x'".
  std::string_view last = traceback;
  while (last.ends_with('\n') || last.ends_with('-')) last.remove_suffix(1);
  if (const std::size_t line = last.rfind('\n'); line != std::string_view::npos) {
    last.remove_prefix(line + 1);
  }
  const std::size_t colon = last.find(": ");
  const std::string name(last.substr(0, colon));
  if (traceback.find("AttributeError: method '") != std::string::npos) {
    throw AttributeError(traceback);
  }
  throw RemoteError(name, traceback, server, 0);
}

void encode_python_error(detail::Encoder& out, const PythonError& error) {
  begin_reply(out, "#ERROR");
  put_class(out, error.module, error.name);
  put_text(out, error.text);
  put_op(out, wire::kTuple1);
  put_op(out, wire::kReduce);
  put_op(out, wire::kTuple2);
  put_op(out, wire::kStop);
}

// ("#PROXY", (exposed, token)), where a Token is made of no arguments and has a tuple as its state.
void encode_python_proxy(detail::Encoder& out, const PythonToken& token) {
  begin_reply(out, "#PROXY");
  put_op(out, wire::kMark);
  for (const std::string& name : token.exposed) put_text(out, name);
  put_op(out, wire::kTuple);
  put_class(out, "multiprocessing.managers", "Token");
  put_op(out, wire::kEmptyTuple);
  put_op(out, kNewObj);
  put_text(out, token.type_id);
  put_address(out, token.address);
  put_text(out, token.id);
  put_op(out, wire::kTuple3);
  put_op(out, kBuild);
  put_op(out, wire::kTuple2);
  put_op(out, wire::kTuple2);
  put_op(out, wire::kStop);
}

}  // namespace multiprocessing::managers
