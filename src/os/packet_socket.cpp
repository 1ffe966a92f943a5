// SPDX-License-Identifier: BSL-1.0
#include "os/packet_socket.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace multiprocessing::os {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(kPacketDescriptors * sizeof(int));

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void add_descriptors(msghdr& header, std::vector<Fd>& descriptors) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      descriptors.emplace_back(fd);
    }
  }
}

}  // namespace

std::pair<Fd, Fd> packet_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    fail("cannot make a Pipe: socketpair");
  }
  return {Fd(ends[0]), Fd(ends[1])};
}

Sent send_packet(int fd, std::span<const std::byte> head, std::span<const std::byte> body,
                 std::span<const int> descriptors) {
  iovec parts[2] = {{const_cast<std::byte*>(head.data()), head.size()},
                    {const_cast<std::byte*>(body.data()), body.size()}};
  alignas(cmsghdr) std::byte control[kControlBytes];
  msghdr header{};
  header.msg_iov = parts;
  header.msg_iovlen = body.empty() ? 1 : 2;
  if (!descriptors.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(c), descriptors.data(), descriptors.size_bytes());
  }
  for (;;) {
    if (::sendmsg(fd, &header, MSG_NOSIGNAL) >= 0) return Sent::kYes;
    if (errno == EPIPE || errno == ECONNRESET) return Sent::kPeerClosed;
    if (errno != EINTR) fail("Connection: cannot send");
  }
}

std::size_t receive_packet(int fd, std::span<std::byte> buffer, std::vector<Fd>& descriptors) {
  alignas(cmsghdr) std::byte control[kControlBytes];
  for (;;) {
    iovec part{buffer.data(), buffer.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    if (got >= 0) {
      add_descriptors(header, descriptors);
      // The kernel drops the descriptors that this process has no room for.
      if ((header.msg_flags & MSG_CTRUNC) != 0) {
        errno = EMFILE;
        fail("Connection: cannot receive all descriptors of a message, which is lost; raise the "
             "limit (ulimit -n)");
      }
      return static_cast<std::size_t>(got);
    }
    // Reset: the peer closed with something unread. What it sent before can still be read.
    if (errno != EINTR && errno != ECONNRESET) fail("Connection: cannot receive");
  }
}

}  // namespace multiprocessing::os
