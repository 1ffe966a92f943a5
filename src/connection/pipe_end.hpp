// SPDX-License-Identifier: BSL-1.0
// An end of a Pipe.
//
// Messages go through a lane for each direction (lane.hpp), those that are long or carry
// descriptors with a packet through the socket. The socket wakes who sleeps, and tells when the
// other end is closed everywhere, also by a kill.
#pragma once
#include <vector>

#include "connection/core.hpp"
#include "connection/lane_receiver.hpp"
#include "connection/lane_sender.hpp"
#include "connection/pipe_state.hpp"
#include "os/fd.hpp"
#include "os/rendezvous_pipe.hpp"

namespace multiprocessing::connection {

class PipeEnd final : public detail::ConnectionCore {
 public:
  /// `end`: which one of its pipe, 0 or 1.
  PipeEnd(os::Fd fd, memory::Handle pipe, unsigned end, bool readable, bool writable);
  ~PipeEnd() override { close(); }

  void travel(detail::Encoder& encoder) override;

 private:
  void send_on(int fd, const Outgoing& message) override;
  void receive_on(int fd, detail::Incoming& message, std::optional<std::size_t> limit) override;
  detail::Arrived arrived(int fd, bool told) override { return receiver_.arrived(fd, told); }
  void watch(int fd) override;
  void closed_here() noexcept override { pipe().closings.fetch_add(1); }

  void send_packets(int fd, PacketHeader header, const Outgoing& message);
  void send_elsewhere(int fd, PacketHeader header, const Outgoing& message,
                      std::vector<int> riding);
  LaneReceiver::Taken take(int fd, detail::Incoming& message, std::optional<std::size_t> limit);
  void receive_elsewhere(const os::RendezvousEnd& body, const PacketHeader& header,
                         detail::Incoming& message);
  void read_body(const os::RendezvousEnd& body, std::span<std::byte> into, std::uint64_t before,
                 std::uint64_t total);
  [[nodiscard]] PipeState& pipe() const noexcept {
    return static_cast<PipeState&>(pipe_.as<memory::ObjectHeader>());
  }

  const memory::Handle pipe_;
  const unsigned end_;
  LaneSender sender_;
  LaneReceiver receiver_;
};

/// The ends of a new pipe.
[[nodiscard]] std::pair<Connection, Connection> make_pipe(bool duplex);

}  // namespace multiprocessing::connection
