// SPDX-License-Identifier: BSL-1.0
// Packets over a start channel, waited for no longer than the other side lives.
//
// A channel ends when the last copy of the other end is closed, and a process that nobody thinks of
// may hold one. So its owner's death ends every wait as well.
#pragma once
#include <span>
#include <vector>

#include "memory/identity.hpp"
#include "os/socket.hpp"

namespace multiprocessing::process {

/// Who is at the other end, by one of these.
struct Peer {
  int pidfd = -1;                           ///< borrowed; -1: there is none
  memory::Serial serial = memory::kNobody;  ///< looked at now and then, as nothing wakes for it
};

/// Sends the parts as one packet; waits while there is no room for it. False: the peer is gone.
/// THROWS: std::system_error.
bool send_to(const Peer& peer, int channel, std::span<iovec> parts,
             std::span<const int> descriptors);

/// Waits for one packet, as os::receive_packet does; no bytes: the peer is gone, and has left
/// nothing. THROWS: std::system_error.
[[nodiscard]] os::Packet receive_from(const Peer& peer, int channel, std::span<std::byte> buffer,
                                      std::vector<os::Fd>& descriptors);

}  // namespace multiprocessing::process
