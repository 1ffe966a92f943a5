// SPDX-License-Identifier: BSL-1.0
// How a process sends messages on a lane and rings for them, and learns that nobody receives.
//
// Death of the last receiver: sending does not ask the kernel, so it looks for that whenever an end
// was closed, and else some 50,000 times a second.
#pragma once
#include <atomic>
#include <cstdint>
#include <span>

#include "connection/lane.hpp"
#include "connection/pipe_state.hpp"
#include "os/patience.hpp"
#include "os/socket.hpp"

namespace multiprocessing::connection {

class LaneSender {
 public:
  LaneSender(PipeState& pipe, unsigned end) noexcept : pipe_(pipe), end_(end) {}

  /// Sends a message of at most Lane::kBodyBytes; waits for room. THROWS: BrokenPipeError.
  void send_frame(int fd, const PacketHeader& header, std::span<const std::byte> body);

  /// Sends a message as a packet and its frame. THROWS: BrokenPipeError, std::system_error.
  /// False: it is longer than a packet may be here; then nothing was sent.
  [[nodiscard]] bool send_packet(int fd, PacketHeader header, std::span<const std::byte> body,
                                 std::span<const int> riding);

 private:
  enum class Tried { kYes, kNoRoom, kSocketFull, kTooLong };

  [[nodiscard]] Lane& lane();
  void expect_receiver(int fd);
  Tried try_frame(Lane& lane, int fd, const PacketHeader& header, std::span<const std::byte> body);
  Tried try_packet(Lane& lane, int fd, PacketHeader& header, std::span<const std::byte> body,
                   std::span<const int> riding);
  void wait_for(Tried what, Lane& lane, int fd, std::size_t frame);

  PipeState& pipe_;
  const unsigned end_;
  std::atomic<Lane*> lane_{nullptr};
  std::atomic<std::int64_t> looked_at_ns_{0};
  std::atomic<std::uint32_t> closings_seen_{0};
  os::Patience patience_;
};

}  // namespace multiprocessing::connection
