// SPDX-License-Identifier: BSL-1.0
#include "os/socket_address.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <system_error>

namespace multiprocessing::os {
namespace {

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), what);
}

// The errno that comes nearest to what the resolver says.
int errno_of_resolver(int error) noexcept {
  switch (error) {
    case EAI_SYSTEM:
      return errno;
    case EAI_AGAIN:
      return EAGAIN;
    case EAI_MEMORY:
      return ENOMEM;
    case EAI_FAMILY:
    case EAI_ADDRFAMILY:
      return EAFNOSUPPORT;
    default:
      return EADDRNOTAVAIL;
  }
}

}  // namespace

SocketAddress unix_address(std::string_view path) {
  SocketAddress address;
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  const bool is_abstract = !path.empty() && path.front() == '\0';
  // A path ends with a NUL, an abstract name with its length.
  const std::size_t most = sizeof un.sun_path - (is_abstract ? 0 : 1);
  if (path.size() > most) {
    fail(ENAMETOOLONG,
         fmt::format("the path of a Unix socket has {} bytes, and the system takes {} at most; "
                     "shorten it, use a relative one or an abstract one",
                     path.size(), most));
  }
  std::memcpy(un.sun_path, path.data(), path.size());
  std::memcpy(&address.storage, &un, sizeof un);
  address.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (is_abstract ? 0 : 1));
  return address;
}

std::vector<SocketAddress> internet_addresses(const std::string& host, int port, int type,
                                              Use use) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = type;
  hints.ai_flags = AI_NUMERICSERV | (use == Use::kBind ? AI_PASSIVE : 0);
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.empty() ? nullptr : host.c_str(),
                                  std::to_string(port).c_str(), &hints, &found);
  if (error != 0) {
    fail(errno_of_resolver(error),
         fmt::format("cannot find the host '{}' ({})", host, ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, ::freeaddrinfo);
  std::vector<SocketAddress> all;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    SocketAddress address;
    address.size = entry->ai_addrlen;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    all.push_back(address);
  }
  std::stable_partition(all.begin(), all.end(),
                        [](const SocketAddress& a) { return a.family() == AF_INET; });
  return all;
}

std::string path_of(const SocketAddress& address) {
  constexpr std::size_t kFront = offsetof(sockaddr_un, sun_path);
  if (address.family() != AF_UNIX || address.size <= kFront) return {};
  const auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
  const std::string_view bytes(un->sun_path, address.size - kFront);
  if (bytes.front() == '\0') return std::string(bytes);
  return std::string(bytes.substr(0, bytes.find('\0')));
}

std::string host_of(const SocketAddress& address) {
  char host[NI_MAXHOST];
  const int error =
      ::getnameinfo(address.get(), address.size, host, sizeof host, nullptr, 0, NI_NUMERICHOST);
  if (error != 0) fail(errno_of_resolver(error), "cannot print the address of a socket");
  return host;
}

int port_of(const SocketAddress& address) noexcept {
  if (address.family() == AF_INET) {
    return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
  }
  if (address.family() == AF_INET6) {
    return ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
  }
  return 0;
}

SocketAddress bound_address(int fd) {
  SocketAddress address;
  address.size = sizeof address.storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) {
    fail(errno, "cannot ask a socket for its address");
  }
  return address;
}

}  // namespace multiprocessing::os
