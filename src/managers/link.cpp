// SPDX-License-Identifier: BSL-1.0
#include "managers/link.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <memory>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <mutex>
#include <new>
#include <system_error>

#include "connection/handshake.hpp"
#include "connection/resolve.hpp"
#include "managers/python_pickle.hpp"
#include "managers/tree_id.hpp"
#include "os/clock.hpp"
#include "os/first_use.hpp"
#include "os/no_fork.hpp"
#include "os/random.hpp"
#include "os/stream_socket.hpp"
#include "os/system_error.hpp"
#include "process/error_codec.hpp"
#include "sync/thread_name.hpp"

namespace multiprocessing::managers {
namespace {

// More than that many idle ones are closed.
constexpr std::size_t kIdleMost = 8;

// Used under NoFork: a child knows the servers of its parent, and their keys.
std::map<Address, std::weak_ptr<ServerLink>>& links() {
  static constinit os::FirstUse<std::map<Address, std::weak_ptr<ServerLink>>> all;
  return all.get();
}

os::ForkMutex id_mutex;
ClientId id;                  // guarded by id_mutex
std::uint32_t id_generation;  // guarded

bool same_key(const AuthKey& a, const AuthKey& b) {
  return static_cast<bool>(a) == static_cast<bool>(b) &&
         std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin(), b.bytes().end());
}

// Whether the server has hung up meanwhile: a socket of TCP takes what nobody will read.
bool is_stale(int fd) noexcept {
  char byte = 0;
  const ssize_t got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

// Children know of the socket before the server does.
OwnSocket connected_to(const os::SocketAddress& address, const os::Deadline& deadline) {
  auto socket = OwnSocket::made_by([&] { return os::make_stream_socket(address.family()); });
  os::connect_socket(socket.get(), address, deadline);
  return socket;
}

// Closes a thread's connections to CPython servers when it ends.
struct OwnConnections {
  std::vector<std::weak_ptr<ServerLink>> links;
  OwnConnections() = default;
  OwnConnections(const OwnConnections&) = delete;
  OwnConnections& operator=(const OwnConnections&) = delete;
  ~OwnConnections() {
    for (const auto& each : links) {
      if (const auto link = each.lock()) link->thread_ends(sync::thread_number());
    }
  }
};
thread_local OwnConnections own_connections;

void end_with_this_thread(const std::weak_ptr<ServerLink>& link) {
  auto& links = own_connections.links;
  std::erase_if(links, [&](const auto& each) {
    return each.expired() || (!each.owner_before(link) && !link.owner_before(each));
  });
  links.push_back(link);
}

}  // namespace

ClientId client_id() {
  const std::lock_guard guard(id_mutex);
  if (id.own == 0 || id_generation != os::fork_generation()) {
    const auto random = os::random_bytes<8>();
    id.parents = id.own;
    std::memcpy(&id.own, random.data(), sizeof id.own);
    id.own |= 1;
    id_generation = os::fork_generation();
  }
  return id;
}

std::shared_ptr<ServerLink> ServerLink::to(const Address& address, const AuthKey& key) {
  auto& all = links();
  std::shared_ptr<ServerLink> link;
  {
    const os::NoFork alone;
    const auto found = all.find(address);
    if (found != all.end()) link = found->second.lock();
  }
  if (link != nullptr && (!key || same_key(link->key_, key))) return link;
  const AuthKey used = key ? key : AuthKey(current_process().authkey());
  link = std::make_shared<ServerLink>(address, used);
  const os::NoFork alone;
  std::erase_if(all, [](const auto& entry) { return entry.second.expired(); });
  all[address] = link;
  return link;
}

ServerLink::~ServerLink() = default;

void ServerLink::forget_parents() noexcept {
  if (generation_ == os::fork_generation()) return;
  // Another thread may have been changing it, so it is left alone as it is; the sockets of its
  // channels are the parent's, and closed in this process.
  std::construct_at(&idle_);
  generation_ = os::fork_generation();
}

// REQUIRES: mutex_ is held.
std::unique_ptr<Channel> ServerLink::take_idle() noexcept {
  const auto found = std::find_if(idle_.rbegin(), idle_.rend(), [](const auto& channel) {
    return !channel->python || channel->thread == sync::thread_number();
  });
  if (found == idle_.rend()) return nullptr;
  auto channel = std::move(*found);
  idle_.erase(std::next(found).base());
  return channel;
}

void ServerLink::thread_ends(std::uint32_t thread) noexcept {
  const std::lock_guard guard(mutex_);
  forget_parents();
  std::erase_if(idle_,
                [&](const auto& channel) { return channel->python && channel->thread == thread; });
}

std::unique_ptr<Channel> ServerLink::take() {
  for (bool first = true;; first = false) {
    std::unique_ptr<Channel> channel;
    {
      const std::lock_guard guard(mutex_);
      forget_parents();
      channel = take_idle();
    }
    if (channel == nullptr) {
      channel = first && !reached_.load() ? connect() : connect_another();
      reached_.store(true);
      return channel;
    }
    channel->used = true;
    if (!address_.path().empty() || !is_stale(channel->socket.get())) return channel;
  }
}

std::unique_ptr<Channel> ServerLink::connect_another() {
  try {
    return connect();
  } catch (const std::system_error& error) {
    const std::error_code code = error.code();
    if (code != std::errc::connection_refused && code != std::errc::no_such_file_or_directory) {
      throw;
    }
    throw EOFError(fmt::format("manager at {}: the server has ended", address_));
  }
}

void ServerLink::give_back(std::unique_ptr<Channel> channel) noexcept {
  if (channel->generation != os::fork_generation()) return;
  reached_.store(true);
  const std::lock_guard guard(mutex_);
  forget_parents();
  if (!channel->python && idle_.size() >= kIdleMost) return;
  try {
    idle_.push_back(std::move(channel));
  } catch (const std::bad_alloc&) {
    // The next call opens another.
  }
}

OwnSocket ServerLink::open_socket() const {
  const os::Deadline deadline = os::Deadline::never();
  const auto all = connection::resolve(address_, SOCK_STREAM, os::Use::kConnect);
  OwnSocket socket;
  for (std::size_t i = 0; socket.get() < 0; ++i) {
    try {
      socket = connected_to(all[i], deadline);
    } catch (const std::system_error&) {
      if (i + 1 == all.size()) throw;
    }
  }
  connection::SocketChannel channel(socket.get(), deadline);
  const connection::Secret secret{key_.bytes(), true};
  connection::answer(channel, secret);
  connection::deliver(channel, secret, "sha256");
  return socket;
}

std::unique_ptr<Channel> ServerLink::connect() {
  if (address_.empty()) throw ValueError("a manager that was not started has no address");
  const std::string whom = fmt::format("manager at {}", address_);
  try {
    auto channel = std::make_unique<Channel>();
    channel->generation = os::fork_generation();
    channel->socket = open_socket();
    greet(*channel);
    if (!channel->python) return channel;
    // It has answered a greeting that it does not understand, and hung up.
    channel = std::make_unique<Channel>();
    channel->generation = os::fork_generation();
    channel->python = true;
    channel->thread = sync::thread_number();
    end_with_this_thread(weak_from_this());
    channel->server = "Python";
    channel->socket = open_socket();
    const Object request =
        python_request(nullptr, "accept_connection", Object::tuple({current_process().name()}));
    const auto reply = exchange_pickles(*channel, request);
    static_cast<void>(python_result(reply, channel->server));
    return channel;
  } catch (const EOFError& error) {
    throw EOFError(fmt::format("{}: {}", whom, error.what()));
  } catch (const AuthenticationError& error) {
    throw AuthenticationError(fmt::format("{}: {}", whom, error.what()));
  } catch (const std::system_error& error) {
    if (error.code().value() == ECONNRESET) {
      throw EOFError(fmt::format("{}: it hung up while it was connected to", whom));
    }
    os::rethrow_about(whom, error);
  }
}

void ServerLink::greet(Channel& channel) {
  const ClientId client = client_id();
  Hello hello;
  hello.client = client.own;
  hello.inherits = client.parents;
  hello.pid = static_cast<std::uint32_t>(::getpid());
  detail::OutgoingEncoder encoder;
  detail::Encoder& out = *encoder;
  out.put(hello);
  detail::encode(out, current_process().name());
  detail::encode(out, tree_id());
  const auto reply = send_frame(channel.socket.get(), out)
                         ? channel.reader.read(channel.socket.get(), kAnyLength)
                         : std::nullopt;
  if (!reply) throw EOFError("the server hung up");
  if (reply->size() < sizeof(Welcome) || header_of<Welcome>(*reply).magic != kMagic) {
    channel.python = true;
    return;
  }
  detail::Decoder decoder(*reply);
  const auto welcome = decoder.take<Welcome>();
  channel.pid = static_cast<pid_t>(welcome.pid);
  channel.in_tree = welcome.in_tree != 0;
  channel.max_message_bytes = welcome.max_message_bytes;
  channel.server = detail::decode<std::string>(decoder);
}

void ServerLink::ask(Op op, Ident ident) {
  auto channel = take();
  if (channel->python) {
    give_back(std::move(channel));
    if (op == Op::kShutdown) ask_python("shutdown", Object::tuple());
    return;
  }
  for (bool again = channel->used;; again = false) {
    detail::OutgoingEncoder encoder;
    RequestHeader header;
    header.op = op;
    header.ident = ident;
    (*encoder).put(header);
    if (!send_frame(channel->socket.get(), *encoder)) {
      if (!again) throw EOFError(fmt::format("manager at {}: the server has ended", address_));
      channel = connect_another();
      continue;
    }
    auto reply = channel->reader.read(channel->socket.get(), kAnyLength);
    if (!reply) throw EOFError(fmt::format("manager at {}: the server has ended", address_));
    detail::Decoder decoder(*reply);
    const auto told = decoder.take<ReplyHeader>();
    if (told.kind == ReplyKind::kError) {
      const std::vector<std::byte> text(reply->begin(), reply->end());
      give_back(std::move(channel));
      detail::Decoder copy(text);
      static_cast<void>(copy.take<ReplyHeader>());
      std::rethrow_exception(process::decode_error(copy));
    }
    return give_back(std::move(channel));
  }
}

void ServerLink::tell(Op op, Ident ident) noexcept {
  try {
    std::unique_ptr<Channel> channel;
    {
      const std::lock_guard guard(mutex_);
      if (generation_ != os::fork_generation()) return;
    }
    channel = take();
    detail::OutgoingEncoder encoder;
    RequestHeader header;
    header.op = op;
    header.ident = ident;
    (*encoder).put(header);
    if (send_frame(channel->socket.get(), *encoder)) give_back(std::move(channel));
  } catch (const std::exception&) {
    // A server that cannot be told has ended, or drops what a client that has gone referred to.
  }
}

Object ServerLink::ask_python(const std::string& function, const Object& args,
                              const Object& keywords) {
  Channel channel;
  channel.generation = os::fork_generation();
  channel.socket = open_socket();
  const auto reply = exchange_pickles(channel, python_request(nullptr, function, args, keywords));
  return python_result(reply, "Python");
}

}  // namespace multiprocessing::managers
