// SPDX-License-Identifier: BSL-1.0
// How a process takes messages out of a lane and their packets out of the socket, and keeps the
// socket readable exactly while there is something to receive.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "connection/core.hpp"
#include "connection/lane.hpp"
#include "connection/pipe_state.hpp"
#include "os/patience.hpp"
#include "os/rendezvous_pipe.hpp"

namespace multiprocessing::connection {

class LaneReceiver {
 public:
  /// For `end`, which receives what the other end sends.
  LaneReceiver(PipeState& pipe, unsigned end) noexcept : pipe_(pipe), end_(end) {}

  struct Taken {
    PacketHeader header;
    std::vector<os::Fd> riding;               ///< on its packet
    std::unique_ptr<os::RendezvousEnd> body;  ///< where it is elsewhere
    bool too_long = false;                    ///< and gone
  };
  /// Takes the next message, if there is one; the body is in `message`, unless it is elsewhere.
  /// THROWS: std::system_error: EMFILE, EBADMSG; std::bad_alloc, and then it stays, or comes again
  /// where its body is elsewhere.
  [[nodiscard]] std::optional<Taken> take(int fd, detail::Incoming& message,
                                          std::optional<std::size_t> limit);

  /// Looks for a message for as long as that pays.
  bool look() noexcept;

  /// What there is to receive. `told`: the descriptor was found readable. If it is nothing, the
  /// descriptor will tell the next message.
  [[nodiscard]] detail::Arrived arrived(int fd, bool told);

 private:
  [[nodiscard]] Lane* lane() noexcept;
  [[nodiscard]] detail::Arrived drain(Lane& lane, int fd, bool told);
  void receive_packet(int fd, Taken& taken, detail::Incoming& message) const;

  PipeState& pipe_;
  const unsigned end_;
  std::atomic<Lane*> lane_{nullptr};
  std::atomic<std::size_t> last_frame_{sizeof(PacketHeader)};
  os::Patience patience_;
};

}  // namespace multiprocessing::connection
