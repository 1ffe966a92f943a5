// SPDX-License-Identifier: BSL-1.0
// A connected stream socket as a Connection, in the framing of CPython's
// multiprocessing.connection.
//
// frame  := length payload
// length := n:i32be                    n >= 0
//         | -1:i32be n:u64be           payloads of more than 0x7fffffff bytes
//
// Threads of one process take turns frame by frame. Processes that share the socket have to do so
// themselves, as in Python.
#pragma once
#include <memory>
#include <multiprocessing/listener.hpp>

#include "connection/core.hpp"
#include "connection/read_ahead.hpp"
#include "os/socket.hpp"

namespace multiprocessing::connection {

struct StreamOptions {
  std::uint64_t max_message_bytes = kAnyLength;  ///< what announces more ends the reading
  bool pickle = true;                            ///< at the beginning, see Connection::pickles
};

class StreamEnd final : public detail::ConnectionCore {
 public:
  StreamEnd(os::Fd fd, StreamOptions options, ReadAhead ahead, bool may_read = true,
            bool may_write = true) noexcept
      : ConnectionCore(std::move(fd), may_read, may_write),
        options_(options),
        ahead_(std::move(ahead)),
        sleep_(ahead_.own_descriptor() ? os::Sleep::kInCall : os::Sleep::kInPoll) {
    pickles(options.pickle);
  }

  /// An end of a socket that the library has just made.
  [[nodiscard]] static std::shared_ptr<StreamEnd> of_own(os::Fd fd, StreamOptions options);

  void travel(detail::Encoder& encoder) override;

 private:
  void send_on(int fd, const Outgoing& message) override;
  void receive_on(int fd, detail::Incoming& message, std::optional<std::size_t> limit) override;

  detail::Arrived arrived(int fd, bool told) override;
  void watch(int) override { ahead_.share(); }
  bool begin_wait() override { return ahead_.begin_wait(); }

  // A frame's bytes: those at the front, then what comes out of the socket.
  struct Source {
    int fd;
    std::span<const std::byte> front;
  };
  void receive_frame(Source& from, detail::Incoming& message, std::optional<std::size_t> limit);
  [[nodiscard]] std::uint64_t receive_length(Source& from);
  void receive_payload(Source& from, std::uint64_t length, detail::Incoming& message);
  void receive_exactly(Source& from, std::span<std::byte> into, std::uint64_t before,
                       std::uint64_t total);

  const StreamOptions options_;
  ReadAhead ahead_;
  const os::Sleep sleep_;
  os::ForkMutex sending_;    // held for one frame
  os::ForkMutex receiving_;  // held for one frame
};

}  // namespace multiprocessing::connection
