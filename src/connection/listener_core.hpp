// SPDX-License-Identifier: BSL-1.0
// What all copies of a Listener in one process share.
#pragma once
#include <cstdint>
#include <memory>
#include <multiprocessing/listener.hpp>
#include <optional>
#include <string>

#include "os/clock.hpp"
#include "os/fork_mutex.hpp"
#include "os/guarded_fd.hpp"
#include "os/socket_file.hpp"

namespace multiprocessing::detail {

class ListenerCore {
 public:
  struct Bound {
    os::Fd fd;
    os::SocketFile file;
    Address address;
    bool made_up = false;  // the address, so that only this user's processes know it by right
  };
  /// THROWS: std::system_error.
  [[nodiscard]] static Bound bind(const Address& address, int backlog);

  ListenerCore(Bound bound, ListenerOptions options) noexcept;
  ~ListenerCore() { close(); }
  ListenerCore(const ListenerCore&) = delete;
  ListenerCore& operator=(const ListenerCore&) = delete;

  static ListenerCore& of(const Listener& listener);
  static Listener listener(std::shared_ptr<ListenerCore> core) { return Listener(std::move(core)); }
  static std::shared_ptr<ListenerCore> core(const Listener& listener) { return listener.core_; }

  [[nodiscard]] Connection accept(const os::Deadline& deadline);
  [[nodiscard]] const Address& address() const noexcept { return address_; }
  [[nodiscard]] std::optional<Address> last_accepted();
  [[nodiscard]] int fileno();
  void close() noexcept;
  [[nodiscard]] bool closed() const noexcept { return fd_.closed(); }

  void travel(Encoder& encoder);
  static Listener arrive(Decoder& decoder);

 private:
  struct Guest {
    os::Fd fd;
    Address peer;
  };
  [[nodiscard]] Guest next_guest(const os::Deadline& deadline);
  void authenticate(const Guest& guest);
  [[noreturn]] void fail(int error, const std::string& what) const;

  os::GuardedFd fd_;
  const Address address_;
  const bool made_up_;
  const ListenerOptions options_;
  const std::uint32_t maker_;  // fork_generation() of the process that made it
  os::ForkMutex mutex_;
  os::SocketFile file_;                   // guarded by mutex_
  std::optional<Address> last_accepted_;  // guarded by mutex_
};

}  // namespace multiprocessing::detail
