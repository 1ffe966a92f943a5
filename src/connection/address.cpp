// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/address.hpp>

#include <fmt/format.h>

#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>
#include <ostream>

#include "connection/resolve.hpp"
#include "os/random.hpp"

namespace multiprocessing {

Address::Address(std::string host, int port) : host_(std::move(host)), internet_(true) {
  if (port < 0 || port > 65535) {
    throw ValueError(fmt::format("Address: {} is no port; ports go from 0 to 65535", port));
  }
  if (host_.find('\0') != std::string::npos) {
    throw ValueError("Address: the host contains a NUL");
  }
  port_ = static_cast<std::uint16_t>(port);
}

Address::Address(std::string path) : path_(std::move(path)) {
  if (!path_.empty() && path_.front() != '\0' && path_.find('\0') != std::string::npos) {
    throw ValueError("Address: the path contains a NUL behind its first byte");
  }
}

std::string Address::str() const {
  if (internet_) return fmt::format("('{}', {})", host_, port_);
  std::string text;
  for (const char c : path_) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      text += c;
    }
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const Address& address) { return out << address.str(); }

namespace detail {

void Traveller<Address>::encode(Encoder& encoder, const Address& address) {
  const bool internet = !address.empty() && address.path().empty();
  encoder.put(static_cast<std::uint8_t>(internet));
  encoder.put(static_cast<std::uint16_t>(address.port()));
  detail::encode(encoder, internet ? address.host() : address.path());
}

Address Traveller<Address>::decode(Decoder& decoder) {
  const bool internet = decoder.take<std::uint8_t>() != 0;
  const auto port = decoder.take<std::uint16_t>();
  auto text = detail::decode<std::string>(decoder);
  return internet ? Address(std::move(text), port) : Address(std::move(text));
}

}  // namespace detail

namespace connection {

std::vector<os::SocketAddress> resolve(const Address& address, int type, os::Use use) {
  if (!address.path().empty()) return {os::unix_address(address.path())};
  return os::internet_addresses(address.host(), address.port(), type, use);
}

Address address_of(const os::SocketAddress& address) {
  if (address.family() != AF_INET && address.family() != AF_INET6) {
    return Address(os::path_of(address));
  }
  return {os::host_of(address), os::port_of(address)};
}

Address made_up_address() {
  std::string path("\0multiprocessing-", 17);
  for (const std::byte b : os::random_bytes<16>()) {
    path += fmt::format("{:02x}", std::to_integer<unsigned>(b));
  }
  return path;
}

}  // namespace connection
}  // namespace multiprocessing

fmt::format_context::iterator fmt::formatter<multiprocessing::Address>::format(
    const multiprocessing::Address& address, fmt::format_context& context) const {
  return fmt::formatter<fmt::string_view>::format(address.str(), context);
}
