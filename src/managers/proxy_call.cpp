// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>
#include <sched.h>

#include <atomic>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <new>
#include <utility>
#include <vector>

#include "connection/parking.hpp"
#include "managers/link.hpp"
#include "managers/proxy_core.hpp"
#include "managers/python_pickle.hpp"
#include "os/fork_mutex.hpp"
#include "process/error_codec.hpp"

namespace multiprocessing::managers {

std::shared_ptr<void> make_lease(std::shared_ptr<ServerLink> link, Ident ident);

namespace {

// Tells the threads of a process apart, for locks that belong to one.
std::uint32_t thread_number() noexcept {
  static std::atomic<std::uint32_t> last{0};
  thread_local const std::uint32_t own = ++last;
  return own;
}

std::uint8_t this_cpu() noexcept {
  const int cpu = ::sched_getcpu();
  return cpu >= 0 && cpu < kNoCpu ? static_cast<std::uint8_t>(cpu) : kNoCpu;
}

// A reference to an object in a CPython server, given up in the process that got it.
class PythonReference {
 public:
  PythonReference(std::shared_ptr<ServerLink> link, std::string id)
      : link_(std::move(link)), id_(std::move(id)), generation_(os::fork_generation()) {}
  PythonReference(const PythonReference&) = delete;
  PythonReference& operator=(const PythonReference&) = delete;
  ~PythonReference() {
    if (generation_ != os::fork_generation()) return;
    try {
      static_cast<void>(link_->ask_python("decref", Object::tuple({id_})));
    } catch (const std::exception&) {
      // The server has ended, and the object with it.
    }
  }

 private:
  std::shared_ptr<ServerLink> link_;
  std::string id_;
  std::uint32_t generation_;
};

}  // namespace
}  // namespace multiprocessing::managers

namespace multiprocessing::detail {

using managers::Channel;
using managers::Op;
using managers::ProxyCore;
using managers::ReplyHeader;
using managers::ReplyKind;
using managers::RequestHeader;

struct ProxyCall::State {
  std::unique_ptr<Channel> channel;
  managers::ToStrangers strangers;
  std::span<const std::byte> reply;
  std::vector<Handle> handles;
  std::unique_ptr<connection::Unparked> unparked;  // descriptors that came with the reply

  explicit State(std::unique_ptr<Channel> taken)
      : channel(std::move(taken)), strangers(!channel->in_tree && !channel->python) {}
};

ProxyCall::ProxyCall(const ProxyCore* core, MethodName method) : core_(core), method_(method) {
  if (core == nullptr) throw ValueError("this proxy names no object");
  static_assert(sizeof(State) <= sizeof room_);
  ::new (room_) State(core->link->take());
  python_ = state().channel->python;
  if (!python_) (*out_).put(RequestHeader{});
}

ProxyCall::~ProxyCall() {
  if (state().channel != nullptr) core_->link->give_back(std::move(state().channel));
  state().~State();
}

void ProxyCall::make(MethodName type_id, std::uint64_t key) {
  method_ = type_id;
  op_ = static_cast<std::uint8_t>(Op::kMake);
  key_ = key;
}
void ProxyCall::create() { op_ = static_cast<std::uint8_t>(Op::kCreate); }
void ProxyCall::call_named() { op_ = static_cast<std::uint8_t>(Op::kCallNamed); }

void ProxyCall::ask_count() { op_ = static_cast<std::uint8_t>(Op::kCount); }
void ProxyCall::ask_debug() { op_ = static_cast<std::uint8_t>(Op::kDebug); }

void ProxyCall::fail_ended() {
  const std::string where = fmt::format("manager at {}", core_->link->address());
  state().channel.reset();
  throw EOFError(fmt::format("{}: the server has ended, or hung up ({})", where, method_.text));
}

void ProxyCall::perform() {
  if (python_) return perform_in_python();
  Encoder& out = *out_;
  connection::park_descriptors_of(out);
  RequestHeader header;
  header.op = static_cast<Op>(op_);
  header.arguments = static_cast<std::uint16_t>(count_);
  header.method = method_.hash;
  header.ident = core_->ident;
  header.thread = managers::thread_number();
  header.handles = static_cast<std::uint32_t>(out.handles().size());
  header.key = key_;
  if (state().channel->in_tree) header.cpu = managers::this_cpu();
  out.put_at(0, header);

  const std::uint64_t limit = state().channel->max_message_bytes;
  if (managers::frame_bytes(out) > limit) {
    throw ValueError(
        fmt::format("{}: the arguments have {} bytes, and the manager's "
                    "max_message_bytes is {}",
                    method_.text, managers::frame_bytes(out), limit));
  }
  if (header.handles != 0 && !state().channel->in_tree) {
    throw TypeError(fmt::format(
        "{}: an argument contains a shared object (a Lock, a Queue, a Connection…), which reaches "
        "only servers of this program",
        method_.text));
  }
  exchange();
}

void ProxyCall::exchange() {
  try {
    send_and_receive();
  } catch (const std::bad_alloc&) {
    drop_reply();
    throw;
  } catch (...) {
    // Nobody knows where the next message would begin.
    state().channel.reset();
    throw;
  }
  Decoder decoder(state().reply);
  const auto header = decoder.take<ReplyHeader>();
  state().channel->reader.look_first(header.crowded == 0);
  if (header.handles != 0) adopt(header.handles);
  reply_type_ = header.type;
  reply_kind_ = static_cast<std::uint8_t>(header.kind);
  if (header.kind == ReplyKind::kError) throw_reply(decoder);
}

void ProxyCall::drop_reply() noexcept {
  auto& channel = state().channel;
  // The server takes a hang-up for this client's end, and would break the locks that it holds.
  if (channel != nullptr && !channel->reader.skip_rest(channel->socket.get())) channel.reset();
}

void ProxyCall::send_and_receive() {
  // A server that was started anew has hung up on connections that were idle: it got nothing.
  while (!managers::send_frame(state().channel->socket.get(), *out_)) {
    if (!state().channel->used) fail_ended();
    state().channel = core_->link->connect_another();
  }
  Channel& channel = *state().channel;
  const auto payload = channel.reader.read(channel.socket.get(), kAnyLength);
  if (!payload) fail_ended();
  state().reply = *payload;
}

void ProxyCall::throw_reply(Decoder& decoder) {
  try {
    std::rethrow_exception(process::decode_error(decoder));
  } catch (const AttributeError& error) {
    // The server knows the name's hash alone.
    const std::string text = error.what();
    constexpr std::string_view kNoName = "has no method of that name";
    const std::size_t at = text.find(kNoName);
    if (at == std::string::npos) throw;
    throw AttributeError(text.substr(0, at) + fmt::format("has no method '{}'", method_.text) +
                         text.substr(at + kNoName.size()));
  }
}

void ProxyCall::adopt(std::uint32_t count) {
  Channel& channel = *state().channel;
  if (!channel.in_tree) throw ValueError("a manager's server sent what cannot be sent");
  try {
    state().handles = managers::take_objects(state().reply, count);
  } catch (const EOFError&) {
    fail_ended();
  }
  RequestHeader taken;
  taken.op = Op::kTaken;
  managers::send_frame(channel.socket.get(), std::as_bytes(std::span(&taken, 1)));
  state().unparked = std::make_unique<connection::Unparked>(state().handles);
}

Decoder ProxyCall::reply() const {
  const auto& unparked = state().unparked;
  Decoder decoder(state().reply, state().handles,
                  unparked == nullptr ? std::span<int>() : unparked->descriptors());
  decoder.view(sizeof(ReplyHeader));
  return decoder;
}

std::shared_ptr<const ProxyCore> ProxyCall::run_made() {
  auto core = std::make_shared<ProxyCore>();
  core->link = core_->link;
  if (python_) return made_in_python(std::move(core));
  perform();
  if (static_cast<ReplyKind>(reply_kind_) != ReplyKind::kObject) {
    throw TypeError("the manager's server gave a value and no object");
  }
  Decoder decoder = reply();
  core->ident = decoder.take<managers::Ident>();
  core->ticket = decoder.read_handle();
  core->type_id = detail::decode<std::string>(decoder);
  if (!core->ticket) core->hold = managers::make_lease(core->link, core->ident);
  return core;
}

void ProxyCall::refuse_in_python(const std::string& type) {
  throw TypeError(type + " has no counterpart in Python, where the manager's server is");
}

namespace {

// Values and arrays begin with a typecode there, and the attributes of a Namespace have names.
void as_python_makes_it(std::string_view type_id, Object::List& args, Object& keywords) {
  if (type_id == "Namespace" && !args.empty()) {
    const Object attributes = args.front();
    args.clear();
    for (const Object& attribute : attributes) keywords[attribute[0]] = attribute[1];
  }
  if (type_id != "Value" && type_id != "Array") return;
  const bool is_array = type_id == "Array";
  const Object sample = is_array && !args.front().empty() ? args.front()[0] : args.front();
  args.insert(args.begin(), Object(sample.is<double>() ? "d" : "q"));
}

}  // namespace

// What Python's own proxy does: create, and a connection for each call of a server's function.
std::shared_ptr<const ProxyCore> ProxyCall::made_in_python(std::shared_ptr<ProxyCore> core) {
  Object::List args;
  Object keywords = Object::dict();
  if (static_cast<Op>(op_) == Op::kMake) {
    args.push_back(Object(method_.text));
    as_python_makes_it(method_.text, objects_, keywords);
  }
  args.insert(args.end(), objects_.begin(), objects_.end());
  core->type_id = args.front().str();
  // (id, exposed names): the object is referred to once, for its maker.
  const Object made = core_->link->ask_python("create", Object::tuple(args), keywords);
  core->python_id = made[0].as<std::string>();
  core->hold = std::make_shared<managers::PythonReference>(core->link, core->python_id);
  return core;
}

void ProxyCall::perform_in_python() {
  const auto op = static_cast<Op>(op_);
  // The locks of threads, which stand behind a manager's, know no timeout of None.
  if (method_.text == "acquire" && !objects_.empty() && objects_.back().is_none()) {
    objects_.pop_back();
  }
  Object keywords = Object::dict();
  // A list's `sort` takes its arguments by their names alone there.
  if (method_.text == "sort" && objects_.size() == 2 && objects_[0].is_none()) {
    keywords["reverse"] = objects_[1];
    objects_.clear();
  }
  if (op == Op::kCallNamed) {
    const auto made = made_in_python([&] {
      auto core = std::make_shared<ProxyCore>();
      core->link = core_->link;
      return core;
    }());
    ask_python(made->python_id, "#GETVALUE", Object::tuple(), keywords);
  } else if (core_->ident == 0 && core_->python_id.empty()) {
    result_ = core_->link->ask_python(std::string(method_.text), Object::tuple(objects_));
  } else {
    ask_python(core_->python_id, std::string(method_.text), Object::tuple(objects_), keywords);
  }
}

void ProxyCall::ask_python(const std::string& id, const std::string& method, const Object& args,
                           const Object& keywords) {
  Object reply;
  try {
    reply = managers::exchange_pickles(
        *state().channel, managers::python_request(Object(id), method, args, keywords));
  } catch (const EOFError&) {
    fail_ended();
  } catch (...) {
    // Part of a message may be left in it.
    state().channel.reset();
    throw;
  }
  result_ = managers::python_result(reply, state().channel->server);
}

}  // namespace multiprocessing::detail
