// SPDX-License-Identifier: BSL-1.0
// Addresses of sockets in the kernel's form.
#pragma once
#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

namespace multiprocessing::os {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const noexcept {
    return reinterpret_cast<const sockaddr*>(&storage);
  }
  [[nodiscard]] int family() const noexcept { return storage.ss_family; }
};

/// Of a path, or of an abstract name, which begins with a NUL. THROWS: std::system_error,
/// ENAMETOOLONG.
[[nodiscard]] SocketAddress unix_address(std::string_view path);

enum class Use { kBind, kConnect };

/// All addresses of a host, IPv4 first, as Python's peers are found there. An empty host is any
/// address to bind to, and the loopback to connect to. `type`: SOCK_STREAM, SOCK_DGRAM. Asks name
/// servers for what is no number. THROWS: std::system_error.
[[nodiscard]] std::vector<SocketAddress> internet_addresses(const std::string& host, int port,
                                                            int type, Use use);

/// The path of a Unix address, with the NUL in front of an abstract one; empty for an unbound one.
[[nodiscard]] std::string path_of(const SocketAddress& address);
/// The number of an internet address, with the interface of a link-local one.
[[nodiscard]] std::string host_of(const SocketAddress& address);
[[nodiscard]] int port_of(const SocketAddress& address) noexcept;

/// What a socket is bound to. THROWS: std::system_error.
[[nodiscard]] SocketAddress bound_address(int fd);

}  // namespace multiprocessing::os
