// SPDX-License-Identifier: BSL-1.0
// Stream sockets that listen, accept and connect. All are close-on-exec from birth; EINTR is
// retried; THROWS: std::system_error.
#pragma once
#include <optional>

#include "os/clock.hpp"
#include "os/fd.hpp"
#include "os/socket_address.hpp"

namespace multiprocessing::os {

/// A non-blocking stream socket for listening: processes that share it race for a connection, and
/// who loses must not sleep in accept. An internet one may take a port that an ended program used.
[[nodiscard]] Fd make_listening_socket(int family);

/// Binds it and has it listen. Not for a Unix socket with a file, see socket_file.hpp.
void listen_at(int fd, const SocketAddress& address, int backlog);

struct Accepted {
  Fd fd;
  SocketAddress peer;
};

/// The next connection, or none when the deadline has passed. EMFILE: it stays for the next call.
[[nodiscard]] std::optional<Accepted> accept_from(int listening, const Deadline& deadline);
/// The same without waiting, for anybody or anything.
[[nodiscard]] std::optional<Accepted> try_accept(int listening);

/// A connected socket. ETIMEDOUT when the deadline has passed.
[[nodiscard]] Fd connect_to(const SocketAddress& address, const Deadline& deadline);
/// The same in two steps, for who has to do something with the socket before it may be connected.
[[nodiscard]] Fd make_stream_socket(int family);
void connect_socket(int fd, const SocketAddress& address, const Deadline& deadline);

/// The user that the other side of a connected Unix socket had when it connected.
[[nodiscard]] uid_t peer_user(int fd);

}  // namespace multiprocessing::os
