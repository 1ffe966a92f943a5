// SPDX-License-Identifier: BSL-1.0
// Where a Listener, a Client or a DatagramSocket is to be found. Python: the address arguments of
// `multiprocessing.connection`.
#pragma once
#include <fmt/core.h>
#include <multiprocessing/detail/message_traits.hpp>

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <string>
#include <string_view>
#include <utility>

namespace multiprocessing {

namespace detail {
class Encoder;
class Decoder;
}  // namespace detail

/// A host and a port, the path of a Unix socket, or none: then one is made up. A plain value, and a
/// message.
///
/// A path that begins with a NUL is an abstract socket's: it has no file, and is gone with its last
/// descriptor. Literals keep it: `mp::Address("\0name")`.
class Address {
 public:
  /// None.
  Address() noexcept = default;

  /// A TCP or UDP port of a host, which is an IPv4 or IPv6 address or a name; an empty one stands
  /// for all addresses of this machine, port 0 for a free one. Names are resolved when the address
  /// is used. THROWS: ValueError for a port beyond 65535, or a negative one.
  Address(std::string host, int port);

  /// A Unix socket. THROWS: ValueError for a NUL behind the first byte of a path.
  Address(std::string path);
  Address(std::string_view path) : Address(std::string(path)) {}
  template <class Pointer>
  requires std::same_as<Pointer, const char*> || std::same_as<Pointer, char*> Address(
      const Pointer& path)
      : Address(std::string(path)) {}
  template <std::size_t N>
  Address(const char (&path)[N])
      : Address(path[0] == '\0' && N > 1 ? std::string(path, N - 1) : std::string(path)) {}

  /// Empty for a Unix socket.
  [[nodiscard]] const std::string& host() const noexcept { return host_; }
  /// 0 for a Unix socket.
  [[nodiscard]] int port() const noexcept { return port_; }
  /// Empty for a host and port.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Whether it is none.
  [[nodiscard]] bool empty() const noexcept { return !internet_ && path_.empty(); }

  /// As Python prints it: `('127.0.0.1', 6000)`, or the path; an abstract one begins with `\x00`.
  [[nodiscard]] std::string str() const;

  friend bool operator==(const Address&, const Address&) = default;
  // NOLINTNEXTLINE(readability-implicit-bool-conversion): the compiler's, of its own making
  friend std::strong_ordering operator<=>(const Address&, const Address&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Address& address);

 private:
  std::string path_;
  std::string host_;
  std::uint16_t port_ = 0;
  bool internet_ = false;
};

namespace detail {
template <> struct Traveller<Address> {
  static void encode(Encoder& encoder, const Address& address);
  static Address decode(Decoder& decoder);
};
}  // namespace detail
}  // namespace multiprocessing

template <> struct std::hash<multiprocessing::Address> {
  std::size_t operator()(const multiprocessing::Address& address) const noexcept {
    const std::hash<std::string> of;
    return of(address.path()) ^ of(address.host()) * 31 ^
           static_cast<std::size_t>(address.port()) * 131;
  }
};

/// Prints str(); width, fill and alignment as for strings.
template <> struct fmt::formatter<multiprocessing::Address> : fmt::formatter<fmt::string_view> {
  fmt::format_context::iterator format(const multiprocessing::Address& address,
                                       fmt::format_context& context) const;
};
