// SPDX-License-Identifier: BSL-1.0
#include "os/socket.hpp"

#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "os/poll.hpp"

namespace multiprocessing::os {
namespace {

constexpr std::size_t kControlBytes = CMSG_SPACE(kPacketDescriptors * sizeof(int));

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

// After a call that failed: true once it makes sense to call again.
bool again(int fd, short events, const Deadline& deadline) {
  if (errno == EINTR) return true;
  if (errno != EAGAIN && errno != EWOULDBLOCK) return false;
  pollfd entry{fd, events, 0};
  if (poll_until(std::span(&entry, 1), deadline) == 0) fail(ETIMEDOUT, "the time is over");
  return true;
}

// The same for a stream. Signals may come more often than a slice ends.
bool stream_again(int fd, short events, const Deadline& deadline) {
  if (errno != EINTR) return again(fd, events, deadline);
  do_idle_work();
  return true;
}

// A message and the descriptors that ride on it.
struct Outgoing {
  Outgoing(std::span<iovec> parts, std::span<const int> descriptors) noexcept {
    header.msg_iov = parts.data();
    header.msg_iovlen = parts.size();
    if (descriptors.empty()) return;
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(descriptors.size_bytes());
    std::memcpy(CMSG_DATA(c), descriptors.data(), descriptors.size_bytes());
  }
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  msghdr header{};
  alignas(cmsghdr) std::byte control[kControlBytes];  // filled as far as it is used
};

void take_descriptors(msghdr& header, std::vector<Fd>& descriptors) {
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

// Drops the first `sent` bytes; what is left.
std::span<iovec> drop_sent(std::span<iovec> parts, std::size_t sent) {
  while (!parts.empty() && sent >= parts.front().iov_len) {
    sent -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (!parts.empty()) {
    parts.front().iov_base = static_cast<std::byte*>(parts.front().iov_base) + sent;
    parts.front().iov_len -= sent;
  }
  return parts;
}

// Few bytes are sent sooner from one place than from several.
constexpr std::size_t kGatheredMax = 512;

// Puts the parts into `room`, if they are so few.
bool gather(std::span<const iovec> parts, std::span<std::byte> room, std::size_t& bytes) noexcept {
  for (const iovec& part : parts) {
    if (part.iov_len > room.size() - bytes) return false;
    if (part.iov_len != 0) std::memcpy(room.data() + bytes, part.iov_base, part.iov_len);
    bytes += part.iov_len;
  }
  return true;
}

}  // namespace

std::pair<Fd, Fd> packet_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    fail(errno, "cannot make a Pipe: socketpair");
  }
  return {Fd(ends[0]), Fd(ends[1])};
}

void set_send_room(int fd, int bytes) noexcept {
  ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
}

Sent send_packet(int fd, std::span<iovec> parts, std::span<const int> descriptors) {
  const Outgoing packet(parts, descriptors);
  while (::sendmsg(fd, &packet.header, MSG_NOSIGNAL) < 0) {
    if (errno == EPIPE || errno == ECONNRESET) return Sent::kPeerClosed;
    if (errno == EMSGSIZE) return Sent::kTooLong;
    if (!again(fd, POLLOUT, Deadline::never())) fail(errno, "Connection: cannot send");
  }
  return Sent::kYes;
}

int try_send_packet(int fd, std::span<iovec> parts, std::span<const int> descriptors) noexcept {
  const Outgoing packet(parts, descriptors);
  while (::sendmsg(fd, &packet.header, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

namespace {

// None: no packet is there, or the call was interrupted (errno).
std::optional<Packet> receive_once(int fd, std::span<std::byte> buffer,
                                   std::vector<Fd>& descriptors, int flags) {
  alignas(cmsghdr) std::byte control[kControlBytes];
  iovec part{buffer.data(), buffer.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t got = ::recvmsg(fd, &header, MSG_CMSG_CLOEXEC | flags);
  if (got < 0) return std::nullopt;
  if (header.msg_controllen != 0) take_descriptors(header, descriptors);
  // The kernel drops the descriptors that this process has no room for.
  return Packet{static_cast<std::size_t>(got), (header.msg_flags & MSG_CTRUNC) != 0};
}

}  // namespace

Packet receive_packet(int fd, std::span<std::byte> buffer, std::vector<Fd>& descriptors,
                      int flags) {
  for (;;) {
    if (const auto packet = receive_once(fd, buffer, descriptors, flags)) return *packet;
    // Reset: the peer closed with something unread. What it sent before can still be read.
    if (errno == ECONNRESET) continue;
    if (!again(fd, POLLIN, Deadline::never())) fail(errno, "Connection: cannot receive");
  }
}

std::optional<Packet> try_receive_packet(int fd, std::span<std::byte> buffer,
                                         std::vector<Fd>& descriptors, int flags) {
  for (;;) {
    if (const auto packet = receive_once(fd, buffer, descriptors, flags | MSG_DONTWAIT)) {
      return packet;
    }
    if (errno == EAGAIN) return std::nullopt;
    if (errno != EINTR && errno != ECONNRESET) fail(errno, "Connection: cannot receive");
  }
}

bool hung_up(int fd) noexcept {
  pollfd entry{fd, 0, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & (POLLHUP | POLLERR)) != 0;
}

void set_slices(int fd) noexcept {
  const timeval slice{0, kIdleNs / 1000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof slice);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &slice, sizeof slice);
}

bool send_all(int fd, std::span<iovec> parts, Sleep sleep) {
  const int flags = MSG_NOSIGNAL | (sleep == Sleep::kInCall ? 0 : MSG_DONTWAIT);
  std::array<std::byte, kGatheredMax> room;
  iovec whole{room.data(), 0};
  if (gather(parts, room, whole.iov_len)) parts = std::span(&whole, 1);
  for (parts = drop_sent(parts, 0); !parts.empty();) {
    msghdr header{};
    header.msg_iov = parts.data();
    header.msg_iovlen = parts.size();
    const ssize_t sent = parts.size() == 1
                             ? ::send(fd, parts.front().iov_base, parts.front().iov_len, flags)
                             : ::sendmsg(fd, &header, flags);
    if (sent >= 0) {
      parts = drop_sent(parts, static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EPIPE || errno == ECONNRESET) return false;
    if (!stream_again(fd, POLLOUT, Deadline::never())) fail(errno, "Connection: cannot send");
  }
  return true;
}

std::size_t receive_some(int fd, std::span<std::byte> buffer, const Deadline& deadline,
                         Sleep sleep) {
  const int flags = deadline.is_never() && sleep == Sleep::kInCall ? 0 : MSG_DONTWAIT;
  for (;;) {
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), flags);
    if (got >= 0) return static_cast<std::size_t>(got);
    // Python tells of a reset too, but as of any other error: here it is an end.
    if (errno == ECONNRESET) return 0;
    if (!stream_again(fd, POLLIN, deadline)) fail(errno, "Connection: cannot receive");
  }
}

std::size_t receive_all(int fd, std::span<std::byte> buffer, const Deadline& deadline,
                        Sleep sleep) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const std::size_t got = receive_some(fd, buffer.subspan(done), deadline, sleep);
    if (got == 0) break;
    done += got;
  }
  return done;
}

}  // namespace multiprocessing::os
