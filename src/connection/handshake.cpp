// SPDX-License-Identifier: BSL-1.0
#include "connection/handshake.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <cerrno>
#include <multiprocessing/listener.hpp>
#include <system_error>

#include "os/socket.hpp"

namespace multiprocessing {
namespace connection {

void SocketChannel::send(BytesView message) {
  // A few dozen bytes always fit in the buffer of a socket on which nothing else was sent.
  std::uint32_t length = htonl(static_cast<std::uint32_t>(message.size()));
  iovec parts[] = {{&length, sizeof length},
                   {const_cast<std::byte*>(message.data()), message.size()}};
  if (!os::send_all(fd_, parts)) throw EOFError("the other side hung up during the handshake");
}

void SocketChannel::receive_exactly(std::span<std::byte> into, bool may_end) {
  const std::size_t got = os::receive_all(fd_, into, deadline_);
  if (got == into.size()) return;
  if (got == 0 && may_end) throw EOFError("the other side hung up during the handshake");
  throw std::system_error(ECONNRESET, std::generic_category(),
                          "the other side hung up in the middle of a message of the handshake");
}

Bytes SocketChannel::receive() {
  std::uint32_t length = 0;
  receive_exactly(std::as_writable_bytes(std::span(&length, 1)), true);
  length = ntohl(length);
  if (length > kHandshakeBytesMax) {
    throw std::system_error(EMSGSIZE, std::generic_category(),
                            fmt::format("bad message length {:#x} in the handshake", length));
  }
  Bytes message(length);
  receive_exactly(message, false);
  return message;
}

void deliver(Channel& channel, Secret secret, std::string_view digest) {
  const Challenge challenge(secret, digest);
  channel.send(challenge.message());
  const Bytes response = channel.receive();
  try {
    challenge.verify(response);
  } catch (const AuthenticationError&) {
    try {
      channel.send(failure());
    } catch (const std::exception&) {
      // Whoever has gone need not be told.
    }
    throw;
  }
  channel.send(welcome());
}

void answer(Channel& channel, Secret secret) {
  channel.send(answer_to(secret, channel.receive()));
  check_verdict(channel.receive());
}

}  // namespace connection

namespace {

// The public functions take whatever Connection there is.
class ConnectionChannel final : public connection::Channel {
 public:
  explicit ConnectionChannel(Connection& connection) noexcept : connection_(connection) {}
  void send(connection::BytesView message) override { connection_.send_bytes(message); }
  connection::Bytes receive() override {
    return connection_.recv_bytes(connection::kHandshakeBytesMax);
  }

 private:
  Connection& connection_;
};

void need_key(const AuthKey& authkey, const char* call) {
  if (!authkey) throw ValueError(fmt::format("{}: there is no key; an empty one is \"\"", call));
}

}  // namespace

void deliver_challenge(Connection& connection, const AuthKey& authkey, std::string_view digest,
                       bool allow_md5) {
  need_key(authkey, "deliver_challenge");
  ConnectionChannel channel(connection);
  connection::deliver(channel, {authkey.bytes(), allow_md5}, digest);
}

void answer_challenge(Connection& connection, const AuthKey& authkey, bool allow_md5) {
  need_key(authkey, "answer_challenge");
  ConnectionChannel channel(connection);
  connection::answer(channel, {authkey.bytes(), allow_md5});
}

}  // namespace multiprocessing
