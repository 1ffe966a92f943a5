// SPDX-License-Identifier: BSL-1.0
#include "os/stream_socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

// Newer than the headers of most systems.
constexpr int kTcpRtoMaxMs = 44;

// Frames go out whole, nothing is won by waiting for more. A host that has vanished is noticed
// after two minutes: by keepalive, or by the 15th time that something is sent in vain, where Linux
// can send again so soon (6.15); before that, after 15 minutes. TCP_USER_TIMEOUT would be no help:
// it ends a connection to somebody alive who has not read for as long, too.
void tune(int fd, int family) noexcept {
  if (family != AF_INET && family != AF_INET6) return;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 6);
  set_option(fd, IPPROTO_TCP, kTcpRtoMaxMs, 10'000);
}

void set_non_blocking(int fd, bool on) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) != 0) {
    fail(errno, "cannot set the mode of a socket");
  }
}

// What went wrong with a single connection, before it was accepted, says nothing of the next.
bool is_about_one_connection(int error) noexcept {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case ENOPROTOOPT:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EPERM:
      return true;
    default:
      return false;
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

Fd make_listening_socket(int family) {
  Fd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) fail(errno, "cannot make a socket");
  if (family != AF_UNIX) set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  return fd;
}

void listen_at(int fd, const SocketAddress& address, int backlog) {
  if (::bind(fd, address.get(), address.size) != 0) fail(errno, "cannot bind");
  if (::listen(fd, backlog) != 0) fail(errno, "cannot listen");
}

std::optional<Accepted> try_accept(int listening) {
  for (;;) {
    Accepted accepted;
    accepted.peer.size = sizeof accepted.peer.storage;
    accepted.fd.reset(::accept4(listening, reinterpret_cast<sockaddr*>(&accepted.peer.storage),
                                &accepted.peer.size, SOCK_CLOEXEC));
    if (accepted.fd) {
      tune(accepted.fd.get(), accepted.peer.family());
      return accepted;
    }
    if (is_about_one_connection(errno)) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return std::nullopt;
    fail(errno, "cannot accept");
  }
}

std::optional<Accepted> accept_from(int listening, const Deadline& deadline) {
  for (;;) {
    if (auto accepted = try_accept(listening)) return accepted;
    pollfd entry{listening, POLLIN, 0};
    if (poll_until(std::span(&entry, 1), deadline) == 0) return std::nullopt;
  }
}

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

Fd connect_to(const SocketAddress& address, const Deadline& deadline) {
  Fd fd = make_stream_socket(address.family());
  connect_socket(fd.get(), address, deadline);
  return fd;
}

uid_t peer_user(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    fail(errno, "cannot ask a socket for its peer");
  }
  return peer.uid;
}

}  // namespace multiprocessing::os
