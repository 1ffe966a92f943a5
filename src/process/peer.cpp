// SPDX-License-Identifier: BSL-1.0
#include "process/peer.hpp"

#include <poll.h>

#include <cerrno>
#include <iterator>
#include <system_error>

namespace multiprocessing::process {
namespace {

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

// Sleeps until the channel is ready; false: the peer has ended before.
bool await(int channel, short events, const Peer& peer) {
  constexpr int kLookMs = 250;
  pollfd entries[] = {{channel, events, 0}, {peer.pidfd, POLLIN, 0}};
  for (;;) {
    const int ready =
        ::poll(entries, std::size(entries), peer.serial == memory::kNobody ? -1 : kLookMs);
    if (ready < 0 && errno != EINTR) fail(errno, "cannot poll");
    if (ready > 0) return entries[0].revents != 0;
    if (memory::dead(peer.serial)) return false;
  }
}

}  // namespace

bool send_to(const Peer& peer, int channel, std::span<iovec> parts,
             std::span<const int> descriptors) {
  for (;;) {
    const int error = os::try_send_packet(channel, parts, descriptors);
    if (error == 0) return true;
    if (error == EPIPE || error == ECONNRESET) return false;
    if (error != EAGAIN) fail(error, "cannot send to another process of this program");
    if (!await(channel, POLLOUT, peer)) return false;
  }
}

os::Packet receive_from(const Peer& peer, int channel, std::span<std::byte> buffer,
                        std::vector<os::Fd>& descriptors) {
  bool alive = true;
  for (;;) {
    if (const auto packet = os::try_receive_packet(channel, buffer, descriptors)) return *packet;
    // What it sent just before its end is taken, too.
    if (!alive) return {0, false};
    alive = await(channel, POLLIN, peer);
  }
}

}  // namespace multiprocessing::process
