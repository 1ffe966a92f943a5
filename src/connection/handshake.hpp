// SPDX-License-Identifier: BSL-1.0
// The handshake over a connection or a bare socket. See challenge.hpp for what is said.
#pragma once
#include <multiprocessing/connection.hpp>

#include "connection/challenge.hpp"
#include "os/clock.hpp"

namespace multiprocessing::connection {

/// Where the messages of a handshake go and come from.
class Channel {
 public:
  virtual ~Channel() = default;
  virtual void send(BytesView message) = 0;
  virtual Bytes receive() = 0;
};

/// The frames of a stream socket, until a deadline.
/// THROWS: EOFError; std::system_error: ETIMEDOUT, EMSGSIZE for a message longer than a
/// handshake's, ECONNRESET for one that ends in the middle.
class SocketChannel final : public Channel {
 public:
  SocketChannel(int fd, const os::Deadline& deadline) noexcept : fd_(fd), deadline_(deadline) {}
  void send(BytesView message) override;
  Bytes receive() override;

 private:
  void receive_exactly(std::span<std::byte> into, bool may_end);

  int fd_;
  os::Deadline deadline_;
};

/// THROWS: AuthenticationError, and what the channel throws.
void deliver(Channel& channel, Secret secret, std::string_view digest);
void answer(Channel& channel, Secret secret);

}  // namespace multiprocessing::connection
