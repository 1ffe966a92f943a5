// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/listener.hpp>

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "connection/handshake.hpp"
#include "connection/listener_core.hpp"
#include "connection/resolve.hpp"
#include "connection/stream_end.hpp"
#include "os/stream_socket.hpp"
#include "os/system_error.hpp"

namespace multiprocessing {

using detail::ListenerCore;

Listener::Listener(std::in_place_t, ListenerOptions options, const Address& address,
                   const AuthKey& authkey) {
  if (authkey) options.authkey = authkey;
  if (options.backlog < 0) {
    throw ValueError(fmt::format("Listener: a backlog of {} is below zero", options.backlog));
  }
  core_ = std::make_shared<ListenerCore>(ListenerCore::bind(address, options.backlog),
                                         std::move(options));
}

Listener::Listener(const Address& address, const AuthKey& authkey)
    : Listener(std::in_place, {}, address, authkey) {}

Connection Listener::accept(Timeout timeout) {
  // A copy: another thread may let go of the last handle meanwhile.
  const std::shared_ptr<ListenerCore> core = core_;
  return ListenerCore::of(*this).accept(os::Deadline::after(timeout));
}

const Address& Listener::address() const { return ListenerCore::of(*this).address(); }
std::optional<Address> Listener::last_accepted() const {
  return ListenerCore::of(*this).last_accepted();
}
int Listener::fileno() const { return ListenerCore::of(*this).fileno(); }
void Listener::close() {
  if (core_ != nullptr) core_->close();
}
bool Listener::closed() const noexcept { return core_ == nullptr || core_->closed(); }

connection::Waitable::Waitable(const Listener& listener)
    : other_(ListenerCore::core(listener)),
      fileno_of_([](void* core) { return static_cast<ListenerCore*>(core)->fileno(); }) {
  static_cast<void>(ListenerCore::of(listener));
}

namespace detail {
namespace {

os::Fd connect_to_any(const Address& address, const os::Deadline& deadline) {
  const auto all = connection::resolve(address, SOCK_STREAM, os::Use::kConnect);
  for (std::size_t i = 0;; ++i) {
    try {
      return os::connect_to(all[i], deadline);
    } catch (const std::system_error&) {
      if (i + 1 == all.size()) throw;
    }
  }
}

void authenticate(int fd, const connection::Secret& secret, const os::Deadline& deadline) {
  connection::SocketChannel channel(fd, deadline);
  try {
    connection::answer(channel, secret);
    connection::deliver(channel, secret, "sha256");
  } catch (const std::system_error& error) {
    if (error.code().value() == ECONNRESET) throw EOFError(error.what());
    if (error.code().value() == EMSGSIZE) throw AuthenticationError(error.what());
    throw;
  }
}

}  // namespace

Connection connect(ClientOptions options, const Address& address, const AuthKey& authkey) {
  if (address.empty()) throw ValueError("Client: there is no address to connect to");
  if (authkey) options.authkey = authkey;
  const os::Deadline deadline = os::Deadline::after(options.timeout);
  const std::string whom = fmt::format("Client {}", address);
  try {
    os::Fd fd = connect_to_any(address, deadline);
    if (options.authkey) {
      authenticate(fd.get(), {options.authkey.bytes(), options.allow_md5}, deadline);
    }
    return ConnectionCore::connection(
        connection::StreamEnd::of_own(std::move(fd), {options.max_message_bytes, options.pickle}));
  } catch (const EOFError& error) {
    throw EOFError(fmt::format("{}: {}", whom, error.what()));
  } catch (const AuthenticationError& error) {
    throw AuthenticationError(fmt::format("{}: {}", whom, error.what()));
  } catch (const std::system_error& error) {
    // The system's own patience with a host that does not answer ends in the same way.
    if (error.code().value() == ETIMEDOUT) {
      throw TimeoutError(fmt::format("{}: {}", whom, error.what()));
    }
    os::rethrow_about(whom, error);
  }
}

void Traveller<Listener>::encode(Encoder& encoder, const Listener& listener) {
  ListenerCore::of(listener).travel(encoder);
}
Listener Traveller<Listener>::decode(Decoder& decoder) { return ListenerCore::arrive(decoder); }

}  // namespace detail
}  // namespace multiprocessing

std::size_t std::hash<multiprocessing::Listener>::operator()(
    const multiprocessing::Listener& listener) const noexcept {
  return std::hash<const void*>()(multiprocessing::detail::ListenerCore::core(listener).get());
}
