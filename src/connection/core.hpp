// SPDX-License-Identifier: BSL-1.0
// What all copies of a Connection in one process share.
//
// Messages that were received but not taken (another type was asked for) wait here, in this
// process alone. The short sections that guard the fields are under one lock for all connections,
// which is held across fork, so that a child never finds it taken.
#pragma once
#include <deque>
#include <memory>
#include <multiprocessing/connection.hpp>
#include <optional>
#include <span>
#include <vector>

#include "connection/packet.hpp"
#include "connection/pipe_state.hpp"
#include "memory/object.hpp"
#include "os/clock.hpp"
#include "os/fd.hpp"

namespace multiprocessing::detail {

class ConnectionCore {
 public:
  ConnectionCore(os::Fd fd, memory::Handle pipe, unsigned end, bool readable, bool writable);
  static Connection connection(std::shared_ptr<ConnectionCore> core) {
    return Connection(std::move(core));
  }

  static bool pending_in(const Connection& c) { return c.core_->has_pending(); }

  void send(Fingerprint type, std::span<const std::byte> bytes, std::span<const Handle> handles,
            std::span<const int> descriptors);
  Incoming receive();
  void give_back(Incoming&& message);
  bool poll(const os::Deadline& deadline);
  [[nodiscard]] bool has_pending();

  [[nodiscard]] int fileno();
  void close();
  [[nodiscard]] bool closed();
  [[nodiscard]] bool readable() const noexcept { return readable_; }
  [[nodiscard]] bool writable() const noexcept { return writable_; }

  void travel(Encoder& encoder);
  static std::shared_ptr<ConnectionCore> arrive(Decoder& decoder);

 private:
  enum class For { kAnything, kReading, kWriting };
  // Closed with the last call that still uses it.
  using SharedFd = std::shared_ptr<os::Fd>;

  [[nodiscard]] SharedFd fd_for(const char* call, For purpose);
  [[nodiscard]] connection::PipeState& pipe() const noexcept {
    return pipe_.as<connection::PipeState>();
  }
  void send_packets(int fd, connection::PacketHeader header, std::span<const std::byte> bytes,
                    std::span<const int> descriptors);
  [[nodiscard]] std::optional<Incoming> take_pending();
  [[nodiscard]] bool receive_first(int fd, Incoming& message, connection::PacketHeader& header);
  void receive_rest(int fd, Incoming& message, const connection::PacketHeader& header);
  void await_rest(int fd, const connection::PacketHeader& header);

  SharedFd fd_;  // null once closed
  const memory::Handle pipe_;
  const unsigned end_;  // 0 or 1: which of the pipe's locks are this end's
  const bool readable_;
  const bool writable_;
  std::deque<Incoming> pending_;
};

}  // namespace multiprocessing::detail
