// SPDX-License-Identifier: BSL-1.0
// Sockets for datagrams. All are close-on-exec from birth; EINTR is retried; THROWS:
// std::system_error.
#pragma once
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "os/fd.hpp"
#include "os/socket_address.hpp"

namespace multiprocessing::os {

[[nodiscard]] Fd make_datagram_socket(int family);

/// Binds it. Not for a Unix socket with a file, see socket_file.hpp.
void bind_datagram_socket(int fd, const SocketAddress& address);

/// Sends without waiting; false where there is no room.
[[nodiscard]] bool try_send_datagram(int fd, std::span<const std::byte> bytes,
                                     const SocketAddress& to);

struct ReceivedDatagram {
  std::vector<std::byte> bytes;
  SocketAddress from;
};

/// What is there without waiting. EMSGSIZE if a process that shares the socket took the datagram
/// that was looked at, and the next one is longer than it and than 64 KiB: then that one is lost.
[[nodiscard]] std::optional<ReceivedDatagram> try_receive_datagram(int fd);

}  // namespace multiprocessing::os
