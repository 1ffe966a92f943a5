// SPDX-License-Identifier: BSL-1.0
// A channel of another library or of the kernel, made before the processes that use it.
#pragma once
#include <cstddef>
#include <memory>
#include <span>

namespace bench {

class PeerChannel {
 public:
  virtual ~PeerChannel() = default;
  virtual void send(std::span<const std::byte> message) = 0;
  /// Receives one message of exactly this size.
  virtual void receive(std::span<std::byte> message) = 0;
  /// The last call of each side: a sender's returns when nothing is lost if it ends now.
  virtual void finish() {}
};

/// Frames of a length and the bytes; reading takes a lock where several read.
std::unique_ptr<PeerChannel> make_pipe(bool several);
std::unique_ptr<PeerChannel> make_socketpair(bool several);
/// Null where the system's limits forbid messages of this size.
std::unique_ptr<PeerChannel> make_posix_queue(std::size_t message_bytes);
std::unique_ptr<PeerChannel> make_boost_queue(std::size_t message_bytes, std::size_t capacity);
/// PUSH and PULL over ipc://, each producer to one consumer: ZeroMQ's best case.
std::unique_ptr<PeerChannel> make_zeromq(std::size_t consumers, std::size_t high_water_mark);

}  // namespace bench
