// SPDX-License-Identifier: BSL-1.0
// What all copies of a DatagramSocket in one process share.
#pragma once
#include <cstdint>
#include <memory>
#include <multiprocessing/datagram.hpp>
#include <string>

#include "os/clock.hpp"
#include "os/fork_mutex.hpp"
#include "os/guarded_fd.hpp"
#include "os/socket_file.hpp"

namespace multiprocessing::detail {

class DatagramCore {
 public:
  struct Bound {
    os::Fd fd;
    os::SocketFile file;
    Address address;
    int family;
  };
  /// THROWS: std::system_error.
  [[nodiscard]] static Bound bind(const Address& address);

  explicit DatagramCore(Bound bound) noexcept;
  ~DatagramCore() { close(); }
  DatagramCore(const DatagramCore&) = delete;
  DatagramCore& operator=(const DatagramCore&) = delete;

  static DatagramCore& of(const DatagramSocket& socket) { return *socket.core_; }

  void send(std::span<const std::byte> bytes, const Address& to, const os::Deadline& deadline);
  [[nodiscard]] Datagram receive(const os::Deadline& deadline);
  [[nodiscard]] const Address& address() const noexcept { return address_; }
  [[nodiscard]] int fileno() { return use("fileno").fd(); }
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return fd_.closed(); }

  void travel(Encoder& encoder);
  static DatagramSocket arrive(Decoder& decoder);

 private:
  [[nodiscard]] os::GuardedFd::Use use(const char* call);
  [[nodiscard]] os::SocketAddress find(const Address& to) const;
  /// Runs one call of the system's; what it throws names this socket.
  template <class F> auto attempt(const char* call, F f);
  [[nodiscard]] std::string whom(const char* call) const;

  os::GuardedFd fd_;
  const Address address_;
  const int family_;
  const std::uint32_t maker_;  // fork_generation() of the process that made it
  os::ForkMutex mutex_;
  os::SocketFile file_;  // guarded by mutex_
};

}  // namespace multiprocessing::detail
