// SPDX-License-Identifier: BSL-1.0
// connect_to of stream_socket.hpp in two steps, for who has to do something with the socket before
// it may be connected.
#pragma once
#include "os/clock.hpp"
#include "os/fd.hpp"
#include "os/socket_address.hpp"

namespace multiprocessing::os {

/// A stream socket, close-on-exec. THROWS: std::system_error.
[[nodiscard]] Fd make_stream_socket(int family);

/// Connects it. THROWS: std::system_error, ETIMEDOUT when the deadline has passed.
void connect_socket(int fd, const SocketAddress& address, const Deadline& deadline);

}  // namespace multiprocessing::os
