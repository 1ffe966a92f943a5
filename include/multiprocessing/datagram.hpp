// SPDX-License-Identifier: BSL-1.0
// Datagrams by UDP and by Unix sockets: whole messages without a connection. Python: a
// `socket.socket` of the type SOCK_DGRAM.
//
// Threads: any number may send and receive; a datagram comes whole to one of them.
// Fork:    the child has the socket too, and a datagram goes to one of both.
// Death:   nobody is told of it, there is no end of a stream. By UDP a datagram may be lost; by a
//          Unix socket it is not, and sending to a path where nobody is any more is ECONNREFUSED.
// Signals: never disturb a wait.
#pragma once
#include <multiprocessing/address.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/timeout.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace multiprocessing {

namespace detail {
class DatagramCore;
}  // namespace detail

/// One message and who sent it: `auto [bytes, from] = socket.recvfrom();`
struct Datagram {
  std::vector<std::byte> bytes;
  Address from;  ///< Address() for a Unix socket that is bound to none

  [[nodiscard]] std::string text() const {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
};

/// A socket for datagrams at an address. A handle, and a message: every copy in this process names
/// the same one. With the last of them in the process that made it, it closes and removes the file
/// of its Unix socket; copies in other processes do neither.
class DatagramSocket {
 public:
  /// With no address it makes up an abstract Unix socket; port 0 is a free one.
  /// THROWS: std::system_error: EADDRINUSE if somebody has the address (the file of a Unix socket
  /// that a killed process left is replaced), ENAMETOOLONG…
  explicit DatagramSocket(const Address& address = {});

  DatagramSocket(const DatagramSocket&) = default;
  DatagramSocket& operator=(const DatagramSocket&) = default;

  /// Sends one message, which may be empty; waits while the receiver's buffer is full (Unix) or
  /// this machine's is (UDP).
  /// THROWS: std::system_error: EMSGSIZE if it is longer than the system takes (65507 bytes by
  /// UDP), ECONNREFUSED or ENOENT if nobody is at the path; TimeoutError.
  void sendto(std::span<const std::byte> bytes, const Address& to, Timeout timeout = forever);
  void sendto(std::string_view text, const Address& to, Timeout timeout = forever) {
    sendto(std::as_bytes(std::span(text)), to, timeout);
  }

  /// Waits for the next message, whole whatever its length. THROWS: TimeoutError;
  /// std::system_error (EBADF if it is closed, also by another thread meanwhile).
  [[nodiscard]] Datagram recvfrom(Timeout timeout = forever);

  /// What it is bound to: with the port that it got for port 0, and the path that was made up.
  [[nodiscard]] const Address& address() const;
  /// The descriptor, to wait for.
  [[nodiscard]] int fileno() const;
  /// Closes all copies of it in this process, and in no other. Closing twice is fine.
  void close();
  [[nodiscard]] bool closed() const noexcept;

  /// Whether both name the same socket in this process.
  friend bool operator==(const DatagramSocket& a, const DatagramSocket& b) noexcept {
    return a.core_ == b.core_;
  }

 private:
  friend class detail::DatagramCore;
  explicit DatagramSocket(std::shared_ptr<detail::DatagramCore> core) noexcept
      : core_(std::move(core)) {}
  std::shared_ptr<detail::DatagramCore> core_;
};

namespace detail {
template <> struct Traveller<DatagramSocket> {
  static void encode(Encoder& encoder, const DatagramSocket& socket);
  static DatagramSocket decode(Decoder& decoder);
};
}  // namespace detail

}  // namespace multiprocessing
