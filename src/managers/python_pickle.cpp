// SPDX-License-Identifier: BSL-1.0
#include "managers/python_pickle.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <multiprocessing/detail/object_access.hpp>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <optional>
#include <string_view>
#include <unordered_map>

#include "managers/link.hpp"
#include "os/first_use.hpp"
#include "os/random.hpp"
#include "wire/pickle_opcodes.hpp"

namespace multiprocessing::managers {
namespace {

// Operations that take two values and leave one, as kTuple2 does, and for which it stands here.
constexpr std::uint8_t kNewObj = 0x81;
constexpr std::uint8_t kBuild = 'b';

[[noreturn]] void throw_cut_short() { throw ValueError("a pickle from Python is cut short"); }

std::uint64_t number_of(std::span<const std::byte> bytes, std::size_t size) {
  if (size > bytes.size()) throw_cut_short();
  std::uint64_t number = 0;
  for (std::size_t i = size; i-- > 0;) {
    number = number << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  }
  return number;
}

// Without its end.
std::string_view line_of(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t end = text.find('\n');
  if (end == std::string_view::npos) throw_cut_short();
  return text.substr(0, end);
}

// How many bytes follow the first, which is an operation.
std::uint64_t argument_bytes(std::span<const std::byte> bytes) {
  const auto arguments = bytes.subspan(1);
  const auto counted = [&](std::size_t size) {
    const std::uint64_t count = number_of(arguments, size);
    if (count > arguments.size() - size) throw_cut_short();  // a sum might overflow
    return size + count;
  };
  switch (std::to_integer<std::uint8_t>(bytes[0])) {
    case wire::kGlobal: {
      const std::size_t module = line_of(arguments).size() + 1;
      return module + line_of(arguments.subspan(module)).size() + 1;
    }
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

// Stands beside what is a class, and in no message: nobody else knows it.
constexpr std::size_t kMarkBytes = 16;
const std::array<std::byte, kMarkBytes>& mark() {
  static constinit os::FirstUse<const std::array<std::byte, kMarkBytes>> bytes;
  return bytes.get(os::random_bytes<kMarkBytes>);
}

bool is_tuple_of_two(const Object& o) { return o.kind() == Object::Kind::kTuple && o.size() == 2; }

// ((module, name), mark)
bool is_class(const Object& o) {
  if (!is_tuple_of_two(o) || !is_tuple_of_two(o[0]) || o[1].kind() != Object::Kind::kBytes) {
    return false;
  }
  return std::ranges::equal(o[1].as<std::vector<std::byte>>(), mark());
}

bool is_call(const Object& o) { return is_tuple_of_two(o) && is_class(o[0]); }

std::string name_of(const Object& a_class) {
  return fmt::format("{}.{}", a_class[0][0].str(), a_class[0][1].str());
}

// The container that a call of its type with its elements makes: `list(…)` of a dict's keys.
std::optional<Object> container_of(const Object& call, const Object& arguments) {
  if (call[0][0][0] != Object("builtins") || arguments.kind() != Object::Kind::kTuple ||
      arguments.size() != 1) {
    return std::nullopt;
  }
  const Object type = call[0][0][1];
  const Object elements = arguments[0];
  if (type == Object("list")) return Object::list(elements);
  if (type == Object("set")) return Object::set(elements);
  if (type == Object("frozenset")) return Object::frozenset(elements);
  if (type == Object("bytearray")) return elements;
  return std::nullopt;
}

// Puts containers in the place of the calls that make them. What a pickle refers to many times is
// looked at once.
class PlainData {
 public:
  enum Others { kRefused, kAsTuples };
  explicit PlainData(Others others) : others_(others) {}

  Object of(const Object& value) {
    using Access = detail::ObjectAccess;
    if (!Access::is_shared(value)) return value;
    const auto known = made_.find(Access::rep(value));
    if (known != made_.end()) return known->second;
    return made_.emplace(Access::rep(value), made_of(value)).first->second;
  }

 private:
  Object made_of(const Object& value) {
    if (is_class(value)) return others_ == kAsTuples ? value[0] : refuse(value);
    if (is_call(value)) return result_of(value);
    if (value.kind() == Object::Kind::kDict) {
      Object dict = Object::dict();
      for (const auto& [key, item] : value.items()) dict[of(key)] = of(item);
      return dict;
    }
    const bool is_tuple = value.kind() == Object::Kind::kTuple;
    if (!is_tuple && value.kind() != Object::Kind::kList) return value;
    Object::List items;
    for (const Object& item : value) items.push_back(of(item));
    return is_tuple ? Object::tuple(items) : Object::list(items);
  }
  Object result_of(const Object& call) {
    const Object arguments = of(call[1]);
    if (auto container = container_of(call, arguments)) return *std::move(container);
    return others_ == kAsTuples ? Object::tuple({call[0][0], arguments}) : refuse(call[0]);
  }
  [[noreturn]] static Object refuse(const Object& a_class) {
    throw TypeError(
        fmt::format("{}: an object of this class has no counterpart here; send what it is made of",
                    name_of(a_class)));
  }

  const Others others_;
  std::unordered_map<const detail::ObjectRep*, Object> made_;
};

void put_text(detail::Encoder& out, std::string_view text) {
  out.put(static_cast<std::uint8_t>(wire::kBinUnicode));
  out.put(static_cast<std::uint32_t>(text.size()));
  out.write(text.data(), text.size());
}

void put_op(detail::Encoder& out, std::uint8_t op) { out.put(op); }

// A module and a name in lines, as Python writes them up to protocol 3.
void put_lines(detail::Encoder& out, std::span<const std::byte> lines) {
  const std::string_view module = line_of(lines);
  put_text(out, module);
  put_text(out, line_of(lines.subspan(module.size() + 1)));
}

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

namespace {

void put_mark(detail::Encoder& data) {
  put_op(data, wire::kTuple2);
  put_op(data, wire::kShortBinBytes);
  data.put(static_cast<std::uint8_t>(kMarkBytes));
  data.write(mark().data(), kMarkBytes);
  put_op(data, wire::kTuple2);
}

// A class is marked, a call of one is (class, args), an object with a state (call, state).
Object decode_marked(std::span<const std::byte> pickle) {
  detail::Encoder data;
  while (!pickle.empty()) {
    const auto op = std::to_integer<std::uint8_t>(pickle[0]);
    const std::uint64_t size = 1 + argument_bytes(pickle);
    if (size > pickle.size()) throw_cut_short();
    const auto operation = pickle.first(size);
    pickle = pickle.subspan(size);
    switch (op) {
      case wire::kGlobal:
        put_lines(data, operation.subspan(1));
        [[fallthrough]];
      case wire::kStackGlobal:
        put_mark(data);
        break;
      case wire::kReduce:
      case kNewObj:
      case kBuild:
        put_op(data, wire::kTuple2);
        break;
      case wire::kFrame:  // it counts bytes, and there may be more now
        break;
      default:
        data.write(operation.data(), operation.size());
    }
  }
  return detail::decode_pickle(data.bytes());
}

bool is_call_of(const Object& o, const Object& a_class) { return is_call(o) && o[0][0] == a_class; }

// What a method of the server itself or of a list is given.
Object argument_of(const Object& marked) {
  const bool is_slice = is_call_of(marked, Object::tuple({"builtins", "slice"}));
  const bool is_token = is_tuple_of_two(marked) &&
                        is_call_of(marked[0], Object::tuple({"multiprocessing.managers", "Token"}));
  return PlainData(is_slice || is_token ? PlainData::kAsTuples : PlainData::kRefused).of(marked);
}

}  // namespace

PythonRequest decode_python_request(std::span<const std::byte> pickle) {
  const Object request = decode_marked(pickle);
  if (request.kind() != Object::Kind::kTuple || request.size() != 4) {
    throw ValueError("a request is a tuple of four");
  }
  PlainData plain(PlainData::kRefused);
  PythonRequest parts{
      plain.of(request[0]), plain.of(request[1]).as<std::string>(), {}, plain.of(request[3])};
  for (const Object& argument : request[2]) parts.args.push_back(argument_of(argument));
  if (parts.kwds.kind() == Object::Kind::kDict && parts.kwds.empty()) parts.kwds = nullptr;
  return parts;
}

Object decode_python_reply(std::span<const std::byte> pickle) {
  const Object reply = decode_marked(pickle);
  const bool is_data = is_tuple_of_two(reply) && reply[0] == Object("#RETURN");
  return PlainData(is_data ? PlainData::kRefused : PlainData::kAsTuples).of(reply);
}

Object exchange_pickles(Channel& channel, const Object& request) {
  detail::OutgoingEncoder encoder;
  detail::encode_pickle(*encoder, request);
  const auto reply = send_frame(channel.socket.get(), *encoder)
                         ? channel.reader.read(channel.socket.get(), kAnyLength)
                         : std::nullopt;
  if (!reply) throw EOFError("the manager's server has ended");
  return decode_python_reply(*reply);
}

Object python_result(const Object& reply, const std::string& server) {
  if (reply.kind() != Object::Kind::kTuple || reply.size() != 2 || !reply[0].is<std::string>()) {
    throw ValueError("a manager's server in Python gave a reply that is none");
  }
  const auto kind = reply[0].as<std::string>();
  Object value = reply[1];
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
