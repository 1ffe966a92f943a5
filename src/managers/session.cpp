// SPDX-License-Identifier: BSL-1.0
#include "managers/session.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <exception>
#include <multiprocessing/process.hpp>
#include <system_error>
#include <utility>

#include "connection/handshake.hpp"
#include "connection/parking.hpp"
#include "managers/proxy_core.hpp"
#include "managers/server_core.hpp"
#include "managers/tree_id.hpp"
#include "os/clock.hpp"
#include "os/log.hpp"
#include "os/thread.hpp"
#include "process/error_codec.hpp"
#include "process/exit.hpp"

namespace multiprocessing::managers {

using detail::MethodName;
using detail::ServerCall;

namespace {

constexpr std::chrono::seconds kHandshakeTimeout{20};

}  // namespace

Session::Session(std::shared_ptr<ServerCore> server, OwnSocket socket)
    : server_(std::move(server)), socket_(std::move(socket)) {}

Session::~Session() {
  pending_.clear();
  if (client_ != nullptr) server_->leave(client_);
  // The socket is closed after that: until then the server may hang up.
  server_->session_ended(*this);
}

void Session::start(std::unique_ptr<Session> session) {
  struct Start {
    os::ThreadStart thread;
    std::unique_ptr<Session> session;
  };
  auto start = std::make_unique<Start>();
  start->session = std::move(session);
  start->thread = {"mp-manager",
                   [](void* argument) {
                     const std::unique_ptr<Start> own(static_cast<Start*>(argument));
                     // A server outlives its last session: it is told of its end.
                     const auto server = own->session->server_;
                     own->session->serve();
                     own->session.reset();
                   },
                   start.get()};
  os::start_library_thread(start->thread);
  static_cast<void>(start.release());
}

void Session::hang_up() const noexcept { ::shutdown(socket_.get(), SHUT_RDWR); }

bool Session::caller_is_gone() const noexcept {
  pollfd entry{socket_.get(), POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

void Session::check_caller() const {
  if (caller_is_gone() || server_->stopping()) throw CallerGone();
}

void Session::serve() {
  try {
    const ServerSettings& settings = server_->settings();
    const connection::Secret secret{settings.authkey.bytes(), true};
    connection::SocketChannel channel(socket_.get(), os::Deadline::after(kHandshakeTimeout));
    connection::deliver(channel, secret, "sha256");
    connection::answer(channel, secret);
    const auto first = reader_.read(socket_.get(), settings.max_message_bytes);
    if (!first) return;
    if (greet(*first)) {
      serve_frames();
    } else {
      serve_python(*first);
    }
  } catch (const CallerGone&) {
    // Nobody is left to be told.
  } catch (const std::exception& error) {
    os::log(LogLevel::info, fmt::format("manager's server at {}: a connection ended: {}",
                                        server_->address(), error.what()));
  }
}

bool Session::greet(Bytes first) {
  if (first.size() < sizeof(Hello)) return false;
  detail::Decoder decoder(first);
  const auto hello = decoder.take<Hello>();
  if (hello.magic != kMagic) return false;
  auto name = detail::decode<std::string>(decoder);
  const bool in_tree = detail::decode<std::string>(decoder) == tree_id();
  client_ = server_->enter(*this, hello, std::move(name), in_tree);

  Welcome welcome;
  welcome.max_message_bytes = server_->settings().max_message_bytes;
  welcome.pid = static_cast<std::uint32_t>(::getpid());
  welcome.in_tree = in_tree ? 1 : 0;
  detail::Encoder out;
  out.put(welcome);
  detail::encode(out, current_process().name());
  return send_frame(socket_.get(), out) || (throw CallerGone(), false);
}

bool Session::note_crowd(std::uint8_t client_cpu) noexcept {
  const bool crowded = server_->crowd().note(seen_, os::now_ns());
  reader_.look_first(!crowded);
  if (crowded && client_cpu != kNoCpu) follower_.follow(client_cpu);
  return crowded;
}

void Session::serve_frames() {
  while (const auto payload = reader_.read(socket_.get(), server_->settings().max_message_bytes)) {
    serve_request(*payload);
    if (server_->stopping()) return;
  }
}

std::vector<detail::Handle> Session::take_objects(Bytes& payload, std::uint32_t handles) {
  if (handles != 0 && !in_tree()) {
    throw ValueError("a message with shared objects came from another program");
  }
  try {
    return managers::take_objects(payload, handles);
  } catch (const EOFError&) {
    throw CallerGone();
  }
}

void Session::serve_request(Bytes payload) {
  pending_.clear();
  const auto request = header_of<RequestHeader>(payload);
  if (request.op == Op::kTaken) return;
  if (request.op == Op::kRelease) return release(request.ident);

  std::vector<detail::Handle> handles;
  detail::OutgoingEncoder encoder;
  detail::Encoder& out = *encoder;
  const ToStrangers strangers(!in_tree());
  ServerCall call(*this, {client_, request.thread}, false, out, detail::Decoder({}),
                  request.arguments);
  out.put(ReplyHeader{});
  try {
    // What calls exit() ends this call, not the server.
    const process::ExitScope scope;
    handles = take_objects(payload, request.handles);
    call.handles_ = handles;
    connection::Unparked unparked(handles);
    call.decoder_ = detail::Decoder(payload, handles, unparked.descriptors());
    call.decoder_.view(sizeof(RequestHeader));
    answer(request, call, out);
    if (out.size() == sizeof(ReplyHeader)) call.reply(nullptr);
  } catch (const CallerGone&) {
    throw;
  } catch (...) {
    replace_by_error(call, out, std::current_exception());
  }
  send(request, out, call);
  if (request.op == Op::kShutdown) server_->stop();
}

// The caller does not get the result, which is for another then.
void Session::replace_by_error(ServerCall& call, detail::Encoder& out,
                               const std::exception_ptr& error) {
  if (const auto undo = std::exchange(call.undo_, nullptr)) undo();
  out.clear();
  out.put(ReplyHeader{ReplyKind::kError});
  process::encode_error(out, error);
}

void Session::send(const RequestHeader& request, detail::Encoder& out, ServerCall& call) {
  const std::uint64_t limit = server_->settings().max_message_bytes;
  if (frame_bytes(out) > limit) {
    replace_by_error(call, out,
                     std::make_exception_ptr(ValueError(fmt::format(
                         "the result has {} bytes, and the manager's max_message_bytes is {}",
                         frame_bytes(out), limit))));
  }
  if (!out.handles().empty() && !in_tree()) {
    replace_by_error(call, out,
                     std::make_exception_ptr(TypeError(
                         "the result contains a shared object (a Lock, a Queue, a Connection…), "
                         "which reaches only processes of the server's own program")));
  }
  if (!out.handles().empty()) {
    out.put_at(offsetof(ReplyHeader, handles), static_cast<std::uint32_t>(out.handles().size()));
    out.align(8);
    pending_ = out.handles();
  }
  if (note_crowd(request.cpu)) out.put_at(offsetof(ReplyHeader, crowded), std::uint8_t{1});
  deliver(out, call.undo_);
}

void Session::deliver(const detail::Encoder& out, const std::function<void()>& undo) {
  // The first message to one that has ended is no error by TCP.
  const bool over_tcp = server_->address().path().empty();
  const bool lost = undo && over_tcp && caller_is_gone();
  if (!lost && send_frame(socket_.get(), out)) return;
  if (undo) undo();
  throw CallerGone();
}

void Session::answer(const RequestHeader& request, ServerCall& call, detail::Encoder& out) {
  Objects& objects = server_->objects();
  switch (request.op) {
    case Op::kCall: {
      const auto referent = objects.find(request.ident);
      if (referent == nullptr) {
        throw RemoteError("KeyError", "the server has no object of that number (any more)",
                          current_process().name(), ::getpid());
      }
      MethodName method{std::string_view()};
      method.hash = request.method;
      return referent->call(method, call);
    }
    case Op::kMake:
      return make(request, call, out);
    case Op::kCreate:
      return create(call, out);
    case Op::kCallNamed: {
      const auto name = call.arg<std::string>();
      const detail::Registration* const registration = server_->registry().find(name);
      if (registration == nullptr) throw KeyError(fmt::format("'{}' is not registered", name));
      return registration->reply_value(call);
    }
    case Op::kLease:
      return lease(request.ident);
    case Op::kKeep:
      static_cast<void>(objects.keep_for_a_while(request.ident));
      return;
    case Op::kCount:
      return call.reply<std::uint64_t>(objects.count());
    case Op::kDebug:
      return call.reply(objects.describe());
    case Op::kDummy:
    case Op::kShutdown:
      return;
    default:
      throw ValueError("the manager's server does not know what was asked for");
  }
}

void Session::make(const RequestHeader& request, ServerCall& call, detail::Encoder& out) {
  if (request.key == 0) {
    const auto referent = make_standard(request.method, call);
    if (referent == nullptr) throw KeyError("the manager's server does not know the type");
    return reply_object(referent, out);
  }
  reply_object(detail::maker_of(request.key)(call), out);
}

void Session::create(ServerCall& call, detail::Encoder& out) {
  const auto name = call.arg<std::string>();
  const detail::Registration* const registration = server_->registry().find(name);
  if (registration == nullptr) throw KeyError(fmt::format("'{}' is not registered", name));
  ++call.skipped_;
  reply_object(registration->create(call), out);
}

void Session::reply_object(const std::shared_ptr<detail::Referent>& referent,
                           detail::Encoder& out) {
  Objects& objects = server_->objects();
  const Ident ident = objects.retain(referent);
  detail::Handle ticket;
  if (in_tree()) {
    try {
      ticket = objects.issue_ticket(ident);
    } catch (...) {
      objects.release(ident);
      throw;
    }
  } else {
    const std::lock_guard guard(client_->mutex);
    ++client_->leases[ident];
  }
  out.clear();
  out.put(ReplyHeader{ReplyKind::kObject});
  out.put(ident);
  out.write_handle(ticket);
  detail::encode(out, std::string(referent->type_id()));
}

void Session::lease(Ident ident) {
  if (!server_->objects().retain(ident)) {
    throw RemoteError("KeyError", "the server has no object of that number (any more)",
                      current_process().name(), ::getpid());
  }
  const std::lock_guard guard(client_->mutex);
  ++client_->leases[ident];
}

void Session::release(Ident ident) {
  {
    const std::lock_guard guard(client_->mutex);
    const auto found = client_->leases.find(ident);
    if (found == client_->leases.end()) return;
    if (--found->second == 0) client_->leases.erase(found);
  }
  server_->objects().release(ident);
}

}  // namespace multiprocessing::managers
