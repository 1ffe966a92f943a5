// SPDX-License-Identifier: BSL-1.0
// An end of a Pipe.
//
// Nothing is locked: a message is one packet. What the ends share beside the kernel's buffer is
// only looked at for messages with handles (pipe_state.hpp).
#pragma once
#include <vector>

#include "connection/core.hpp"
#include "connection/packet.hpp"
#include "connection/pipe_state.hpp"
#include "os/fd.hpp"
#include "os/rendezvous_pipe.hpp"

namespace multiprocessing::connection {

class PipeEnd final : public detail::ConnectionCore {
 public:
  PipeEnd(os::Fd fd, memory::Handle pipe, bool readable, bool writable);

  void travel(detail::Encoder& encoder) override;

 private:
  void send_on(int fd, const Outgoing& message) override;
  void receive_on(int fd, detail::Incoming& message, std::optional<std::size_t> limit) override;

  void send_elsewhere(int fd, PacketHeader header, const Outgoing& message,
                      std::vector<int> riding);
  void await_room_for_descriptors(int fd);
  PacketHeader receive_packet(int fd, detail::Incoming& message, std::vector<os::Fd>& riding);
  void receive_elsewhere(os::Fd pipe, const PacketHeader& header, detail::Incoming& message);
  void read_body(const os::RendezvousEnd& body, std::span<std::byte> into, std::uint64_t before,
                 std::uint64_t total);
  [[nodiscard]] PipeState& pipe() const noexcept {
    return static_cast<PipeState&>(pipe_.as<memory::ObjectHeader>());
  }

  const memory::Handle pipe_;
};

/// The ends of a new pipe.
[[nodiscard]] std::pair<Connection, Connection> make_pipe(bool duplex);

}  // namespace multiprocessing::connection
