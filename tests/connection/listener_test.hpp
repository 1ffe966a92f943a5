// SPDX-License-Identifier: BSL-1.0
// What several tests of Listener and Client need.
#pragma once
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <multiprocessing/connection.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace multiprocessing::test {

/// A folder of its own for a test, removed with what is in it.
class Folder {
 public:
  Folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mp-test-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string operator/(std::string_view name) const {
    return (path_ / name).string();
  }
  [[nodiscard]] bool empty() const { return std::filesystem::is_empty(path_); }

 private:
  std::filesystem::path path_;
};

/// Every kind of address that a Listener may have; ports are free ones.
inline std::vector<Address> all_kinds(const Folder& folder) {
  return {{"127.0.0.1", 0},
          {"::1", 0},
          {"localhost", 0},
          {"", 0},
          folder / "s",
          Address("\0mp-test-" + std::to_string(::getpid())),
          {}};
}

/// The two ends of a Connection through a Listener: the client's and the server's.
inline std::pair<Connection, Connection> through_listener(const Address& at = {}) {
  Listener listener(at);
  Connection client;
  std::thread connecting([&] { client = Client(listener.address()); });
  Connection server = listener.accept();
  connecting.join();
  return {client, server};
}

/// A path or an abstract address as the kernel has it.
inline sockaddr_un raw_address(const Address& address) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  address.path().copy(un.sun_path, sizeof un.sun_path);
  return un;
}
inline socklen_t raw_size(const Address& address) {
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path().size());
}

/// A bare Unix socket, connected to a Listener with a path or an abstract address.
inline int raw_client(const Address& address) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_un un = raw_address(address);
  return ::connect(fd, reinterpret_cast<const sockaddr*>(&un), raw_size(address)) == 0 ? fd : -1;
}

}  // namespace multiprocessing::test
