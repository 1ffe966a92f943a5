// SPDX-License-Identifier: BSL-1.0
#include "connection/listener_core.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

#include "connection/handshake.hpp"
#include "connection/resolve.hpp"
#include "connection/stream_end.hpp"
#include "os/stream_socket.hpp"
#include "os/system_error.hpp"

namespace multiprocessing::detail {
namespace {

// What travels in place of the 64-bit nanoseconds of a Timeout without a limit.
constexpr std::int64_t kForever = -1;

ListenerCore::Bound bind_to(const Address& address, const os::SocketAddress& at, int backlog) {
  ListenerCore::Bound bound;
  bound.fd = os::make_listening_socket(at.family());
  if (!address.path().empty() && address.path().front() != '\0') {
    bound.file = os::SocketFile(bound.fd.get(), at, backlog);
    bound.address = address;
  } else {
    os::listen_at(bound.fd.get(), at, backlog);
    bound.address = connection::address_of(os::bound_address(bound.fd.get()));
  }
  return bound;
}

}  // namespace

ListenerCore::Bound ListenerCore::bind(const Address& address, int backlog) {
  const Address to = address.empty() ? connection::made_up_address() : address;
  try {
    const auto all = connection::resolve(to, SOCK_STREAM, os::Use::kBind);
    for (std::size_t i = 0;; ++i) {
      try {
        Bound bound = bind_to(to, all[i], backlog);
        bound.made_up = address.empty();
        return bound;
      } catch (const std::system_error&) {
        if (i + 1 == all.size()) throw;
      }
    }
  } catch (const std::system_error& error) {
    os::rethrow_about(fmt::format("Listener {}", to), error);
  }
}

ListenerCore::ListenerCore(Bound bound, ListenerOptions options) noexcept
    : fd_(std::move(bound.fd)),
      address_(std::move(bound.address)),
      made_up_(bound.made_up),
      options_(std::move(options)),
      maker_(os::fork_generation()),
      file_(std::move(bound.file)) {}

ListenerCore& ListenerCore::of(const Listener& listener) {
  if (listener.core_ != nullptr) return *listener.core_;
  throw std::system_error(EBADF, std::generic_category(),
                          "Listener: handle is closed: it was moved from");
}

void ListenerCore::fail(int error, const std::string& what) const {
  throw std::system_error(error, std::generic_category(),
                          fmt::format("Listener {}: {}", address_, what));
}

ListenerCore::Guest ListenerCore::next_guest(const os::Deadline& deadline) {
  const os::GuardedFd::Use fd = fd_.use();
  if (!fd) fail(EBADF, "accept: handle is closed");
  try {
    for (;;) {
      auto accepted = os::accept_from(fd.fd(), deadline);
      if (!accepted) {
        throw TimeoutError(fmt::format("Listener {}: accept: nobody connected in time", address_));
      }
      if (made_up_) {
        const uid_t user = os::peer_user(accepted->fd.get());
        if (user != ::geteuid() && user != 0) continue;
      }
      return {std::move(accepted->fd), connection::address_of(accepted->peer)};
    }
  } catch (const std::system_error& error) {
    // Closed by another thread meanwhile: that is what went wrong.
    if (closed()) fail(EBADF, "accept: handle is closed");
    os::rethrow_about(fmt::format("Listener {}: accept", address_), error);
  }
}

void ListenerCore::authenticate(const Guest& guest) {
  const auto text = [&](const std::exception& error) {
    return guest.peer.empty()
               ? fmt::format("Listener {}: accept: {}", address_, error.what())
               : fmt::format("Listener {}: accept from {}: {}", address_, guest.peer, error.what());
  };
  const connection::Secret secret{options_.authkey.bytes(), options_.allow_md5};
  connection::SocketChannel channel(guest.fd.get(),
                                    os::Deadline::after(options_.handshake_timeout));
  try {
    connection::deliver(channel, secret, "sha256");
    connection::answer(channel, secret);
  } catch (const EOFError& error) {
    throw EOFError(text(error));
  } catch (const AuthenticationError& error) {
    throw AuthenticationError(text(error));
  } catch (const std::system_error& error) {
    if (error.code().value() == ECONNRESET) throw EOFError(text(error));
    // Silence, and what is too long for a handshake, prove no knowledge of the key.
    throw AuthenticationError(text(error));
  }
}

Connection ListenerCore::accept(const os::Deadline& deadline) {
  Guest guest = next_guest(deadline);
  {
    const std::lock_guard guard(mutex_);
    last_accepted_ = guest.peer;
  }
  if (options_.authkey) authenticate(guest);
  return ConnectionCore::connection(connection::StreamEnd::of_own(
      std::move(guest.fd), {options_.max_message_bytes, options_.pickle}));
}

std::optional<Address> ListenerCore::last_accepted() {
  const std::lock_guard guard(mutex_);
  return last_accepted_;
}

int ListenerCore::fileno() {
  const os::GuardedFd::Use fd = fd_.use();
  if (!fd) fail(EBADF, "fileno: handle is closed");
  return fd.fd();
}

void ListenerCore::close() noexcept {
  if (maker_ == os::fork_generation()) {
    const std::lock_guard guard(mutex_);
    file_.remove();
  }
  fd_.close();
}

// listener := fd address made_up:u8 authkey:optional handshake_timeout:i64 allow_md5:u8
//             max_message_bytes:u64 pickle:u8
void ListenerCore::travel(Encoder& encoder) {
  encoder.write_descriptor(fileno());
  encode(encoder, address_);
  encoder.put(static_cast<std::uint8_t>(made_up_));
  const auto key = options_.authkey.bytes();
  encode(encoder, options_.authkey
                      ? std::optional<std::vector<std::byte>>(std::in_place, key.begin(), key.end())
                      : std::nullopt);
  encoder.put(options_.handshake_timeout.is_forever() ? kForever
                                                      : options_.handshake_timeout.nanoseconds());
  encoder.put(static_cast<std::uint8_t>(options_.allow_md5));
  encoder.put(options_.max_message_bytes);
  encoder.put(static_cast<std::uint8_t>(options_.pickle));
}

Listener ListenerCore::arrive(Decoder& decoder) {
  Bound bound;
  bound.fd.reset(decoder.read_descriptor());
  bound.address = decode<Address>(decoder);
  bound.made_up = decoder.take<std::uint8_t>() != 0;
  ListenerOptions options;
  if (auto key = decode<std::optional<std::vector<std::byte>>>(decoder)) {
    options.authkey = AuthKey(std::move(*key));
  }
  const auto ns = decoder.take<std::int64_t>();
  options.handshake_timeout = ns == kForever ? Timeout(forever) : std::chrono::nanoseconds(ns);
  options.allow_md5 = decoder.take<std::uint8_t>() != 0;
  options.max_message_bytes = decoder.take<std::uint64_t>();
  options.pickle = decoder.take<std::uint8_t>() != 0;
  return listener(std::make_shared<ListenerCore>(std::move(bound), std::move(options)));
}

}  // namespace multiprocessing::detail
