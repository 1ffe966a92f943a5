// SPDX-License-Identifier: BSL-1.0
// Packets with descriptors over a pair of Unix sockets. A packet comes whole or not at all, whoever
// dies, and however many send and receive.
#pragma once
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "os/fd.hpp"

namespace multiprocessing::os {

/// How many descriptors the kernel lets ride on one packet.
inline constexpr std::size_t kPacketDescriptors = 253;

/// Two connected ends, close-on-exec. Throws std::system_error.
[[nodiscard]] std::pair<Fd, Fd> packet_pair();

enum class Sent { kYes, kPeerClosed };

/// Sends head and body as one packet; waits while the other side's buffer is full. SIGPIPE is
/// never raised. Throws std::system_error.
Sent send_packet(int fd, std::span<const std::byte> head, std::span<const std::byte> body,
                 std::span<const int> descriptors);

/// Receives one packet into `buffer` and says how long it is; 0 at the end of the stream. The
/// descriptors that rode on it are added, the caller owns them. Throws std::system_error.
std::size_t receive_packet(int fd, std::span<std::byte> buffer, std::vector<Fd>& descriptors);

}  // namespace multiprocessing::os
