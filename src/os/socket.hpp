// SPDX-License-Identifier: BSL-1.0
// Sockets, and the descriptors that ride on Unix ones.
//
// All calls are retried on EINTR, wait where a descriptor happens to be non-blocking, never raise
// SIGPIPE and throw std::system_error for what is not named in their result.
#pragma once
#include <sys/uio.h>

#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "os/clock.hpp"
#include "os/fd.hpp"

namespace multiprocessing::os {

/// How many descriptors the kernel lets ride on one packet.
inline constexpr std::size_t kPacketDescriptors = 253;

/// Two connected ends, close-on-exec, that carry packets: a packet comes whole or not at all,
/// whoever dies, and however many send and receive.
[[nodiscard]] std::pair<Fd, Fd> packet_pair();

/// Asks for room for so many bytes under way from that end; the system may give less.
void set_send_room(int fd, int bytes) noexcept;

enum class Sent {
  kYes,
  kPeerClosed,  ///< nobody can receive it
  kTooLong      ///< more than the kernel's buffer for this socket ever holds
};

/// Sends the parts as one packet; waits while the other side's buffer is full.
Sent send_packet(int fd, std::span<iovec> parts, std::span<const int> descriptors);

/// The same without waiting: 0, or the errno; EAGAIN if there is no room for it.
[[nodiscard]] int try_send_packet(int fd, std::span<iovec> parts,
                                  std::span<const int> descriptors) noexcept;

struct Packet {
  std::size_t bytes;      ///< 0 at the end of the stream
  bool descriptors_lost;  ///< this process had no room for all of them
};

/// Receives one packet into `buffer`. The descriptors that rode on it are added. With MSG_PEEK it
/// stays, and the descriptors are copies.
Packet receive_packet(int fd, std::span<std::byte> buffer, std::vector<Fd>& descriptors,
                      int flags = 0);

/// The same without waiting: none if no packet is there.
std::optional<Packet> try_receive_packet(int fd, std::span<std::byte> buffer,
                                         std::vector<Fd>& descriptors, int flags = 0);

/// Whether the other end is closed in every process.
[[nodiscard]] bool hung_up(int fd) noexcept;

/// Where those who have to wait for a stream sleep. The other end may be parked by a process that
/// died: somebody has to do the idle work (os/poll.hpp).
enum class Sleep {
  kInCall,  ///< in the call, which is quicker; idle work is done if the socket has slices
  kInPoll   ///< in poll_until, for sockets of which nothing is known
};

/// Blocking calls at that socket return now and then, with EAGAIN. Whoever shares it notices.
void set_slices(int fd) noexcept;

/// Sends all of the parts, in pieces if need be; changes `parts`. False: nobody can receive it.
bool send_all(int fd, std::span<iovec> parts, Sleep sleep = Sleep::kInCall);

/// Reads what is there, or the next that comes; says how many bytes, 0 at the end of the stream. A
/// deadline that passes is ETIMEDOUT.
std::size_t receive_some(int fd, std::span<std::byte> buffer, const Deadline& deadline,
                         Sleep sleep = Sleep::kInCall);

/// Reads until the buffer is full, the stream ends or the deadline passes; says how many bytes
/// came. A deadline that passes is ETIMEDOUT.
std::size_t receive_all(int fd, std::span<std::byte> buffer, const Deadline& deadline,
                        Sleep sleep = Sleep::kInCall);

}  // namespace multiprocessing::os
