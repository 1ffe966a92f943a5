// SPDX-License-Identifier: BSL-1.0
#include "os/connect_socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "os/poll.hpp"

namespace multiprocessing::os {
namespace {

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

void set_option(int fd, int level, int option, int value) noexcept {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

// Frames go out whole, nothing is won by waiting for more. A host that has vanished is noticed
// after two minutes.
void tune(int fd, int family) noexcept {
  if (family != AF_INET && family != AF_INET6) return;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 6);
}

void set_non_blocking(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) != 0) {
    fail(errno, "cannot set the mode of a socket");
  }
}

// A Unix connect waits for room in the backlog, and poll cannot: the wait is cut by a timeout.
void connect_unix(int fd, const SocketAddress& address, const Deadline& deadline) {
  for (;;) {
    std::int64_t ns = kIdleNs;
    if (!deadline.is_never()) {
      ns = deadline.at_ns() == 0 ? 0 : std::clamp<std::int64_t>(deadline.at_ns() - now_ns(), 0, ns);
    }
    const timeval slice{0, std::max<suseconds_t>(static_cast<suseconds_t>(ns / 1000), 1)};
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slice, sizeof slice);
    const bool connected = ::connect(fd, address.get(), address.size) == 0;
    if (!connected && errno != EAGAIN && errno != EINTR) fail(errno, "cannot connect");
    if (connected) break;
    if (deadline.passed()) fail(ETIMEDOUT, "cannot connect");
  }
  const timeval none{0, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &none, sizeof none);
}

// A free port of this machine that nobody listens at may become the caller's own port, and the
// connection then one with itself.
bool is_connected_to_itself(int fd) {
  const SocketAddress own = bound_address(fd);
  SocketAddress peer;
  peer.size = sizeof peer.storage;
  return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer.storage), &peer.size) == 0 &&
         own.size == peer.size && std::memcmp(&own.storage, &peer.storage, own.size) == 0;
}

void connect_internet(int fd, const SocketAddress& address, const Deadline& deadline) {
  set_non_blocking(fd, true);
  if (::connect(fd, address.get(), address.size) != 0) {
    if (errno != EINPROGRESS && errno != EINTR) fail(errno, "cannot connect");
    pollfd entry{fd, POLLOUT, 0};
    if (poll_until(std::span(&entry, 1), deadline) == 0) fail(ETIMEDOUT, "cannot connect");
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) fail(error, "cannot connect");
  }
  if (is_connected_to_itself(fd)) fail(ECONNREFUSED, "cannot connect");
  set_non_blocking(fd, false);
}

}  // namespace

Fd make_stream_socket(int family) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) fail(errno, "cannot make a socket");
  tune(fd.get(), family);
  return fd;
}

void connect_socket(int fd, const SocketAddress& address, const Deadline& deadline) {
  if (address.family() == AF_UNIX) {
    connect_unix(fd, address, deadline);
  } else {
    connect_internet(fd, address, deadline);
  }
}

}  // namespace multiprocessing::os
