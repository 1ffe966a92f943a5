// SPDX-License-Identifier: BSL-1.0
#include "os/datagram.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace multiprocessing::os {
namespace {

constexpr std::size_t kUsualBytesMax = std::size_t{64} << 10;

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

bool is_nothing_there(int error) noexcept { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

Fd make_datagram_socket(int family) {
  Fd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) fail(errno, "cannot make a socket");
  return fd;
}

void bind_datagram_socket(int fd, const SocketAddress& address) {
  if (::bind(fd, address.get(), address.size) != 0) fail(errno, "cannot bind");
}

bool try_send_datagram(int fd, std::span<const std::byte> bytes, const SocketAddress& to) {
  while (::sendto(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT, to.get(), to.size) <
         0) {
    // ENOBUFS: a network interface's queue is full.
    if (is_nothing_there(errno) || errno == ENOBUFS) return false;
    if (errno == EMSGSIZE) fail(errno, "the message is longer than the system takes; cut it");
    if (errno != EINTR) fail(errno, "cannot send");
  }
  return true;
}

std::optional<ReceivedDatagram> try_receive_datagram(int fd) {
  std::array<std::byte, kUsualBytesMax> usual;  // left as it is: what is received fills it
  std::vector<std::byte> longer;
  for (;;) {
    const ssize_t length = ::recv(fd, nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
    if (length < 0 && is_nothing_there(errno)) return std::nullopt;
    // Some systems tell here of what became of an earlier message that was sent.
    if (length < 0 && (errno == EINTR || errno == ECONNREFUSED)) continue;
    if (length < 0) fail(errno, "cannot receive");
    std::span<std::byte> buffer = usual;
    if (static_cast<std::size_t>(length) > usual.size()) {
      longer.resize(static_cast<std::size_t>(length));
      buffer = longer;
    }
    ReceivedDatagram datagram;
    iovec part{buffer.data(), buffer.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_name = &datagram.from.storage;
    header.msg_namelen = sizeof datagram.from.storage;
    const ssize_t got = ::recvmsg(fd, &header, MSG_DONTWAIT);
    // Taken by another, or not to be had any more (a checksum was wrong): look again.
    if (got < 0 && (is_nothing_there(errno) || errno == EINTR || errno == ECONNREFUSED)) continue;
    if (got < 0) fail(errno, "cannot receive");
    if ((header.msg_flags & MSG_TRUNC) != 0) fail(EMSGSIZE, "a message was too long, and is lost");
    datagram.from.size = header.msg_namelen;
    const auto bytes = buffer.first(static_cast<std::size_t>(got));
    datagram.bytes.assign(bytes.begin(), bytes.end());
    return datagram;
  }
}

}  // namespace multiprocessing::os
