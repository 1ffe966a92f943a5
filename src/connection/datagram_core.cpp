// SPDX-License-Identifier: BSL-1.0
#include "connection/datagram_core.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <multiprocessing/detail/message.hpp>
#include <mutex>
#include <system_error>
#include <utility>

#include "connection/resolve.hpp"
#include "os/datagram.hpp"
#include "os/pauses.hpp"
#include "os/system_error.hpp"

namespace multiprocessing::detail {
namespace {

constexpr int kNoBacklog = -1;

DatagramCore::Bound bind_to(const Address& address, const os::SocketAddress& at) {
  DatagramCore::Bound bound{os::make_datagram_socket(at.family()), {}, address, at.family()};
  if (!address.path().empty() && address.path().front() != '\0') {
    bound.file = os::SocketFile(bound.fd.get(), at, kNoBacklog);
  } else {
    os::bind_datagram_socket(bound.fd.get(), at);
    bound.address = connection::address_of(os::bound_address(bound.fd.get()));
  }
  return bound;
}

}  // namespace

DatagramCore::Bound DatagramCore::bind(const Address& address) {
  const Address to = address.empty() ? connection::made_up_address() : address;
  try {
    const auto all = connection::resolve(to, SOCK_DGRAM, os::Use::kBind);
    for (std::size_t i = 0;; ++i) {
      try {
        return bind_to(to, all[i]);
      } catch (const std::system_error&) {
        if (i + 1 == all.size()) throw;
      }
    }
  } catch (const std::system_error& error) {
    os::rethrow_about(fmt::format("DatagramSocket {}", to), error);
  }
}

DatagramCore::DatagramCore(Bound bound) noexcept
    : fd_(std::move(bound.fd)),
      address_(std::move(bound.address)),
      family_(bound.family),
      maker_(os::fork_generation()),
      file_(std::move(bound.file)) {}

std::string DatagramCore::whom(const char* call) const {
  return fmt::format("DatagramSocket {}: {}", address_, call);
}

os::GuardedFd::Use DatagramCore::use(const char* call) {
  os::GuardedFd::Use fd = fd_.use();
  if (!fd) {
    throw std::system_error(EBADF, std::generic_category(), whom(call) + ": handle is closed");
  }
  return fd;
}

template <class F> auto DatagramCore::attempt(const char* call, F f) {
  try {
    return f();
  } catch (const std::system_error& error) {
    // Closed by another thread meanwhile: that is what went wrong.
    static_cast<void>(use(call));
    os::rethrow_about(whom(call), error);
  }
}

os::SocketAddress DatagramCore::find(const Address& to) const {
  if (to.empty()) throw ValueError(whom("sendto: there is no address to send to"));
  const auto all = connection::resolve(to, SOCK_DGRAM, os::Use::kConnect);
  const auto found = std::find_if(all.begin(), all.end(),
                                  [&](const auto& one) { return one.family() == family_; });
  if (found != all.end()) return *found;
  throw std::system_error(EAFNOSUPPORT, std::generic_category(),
                          "it is of another kind than that of this socket");
}

void DatagramCore::send(std::span<const std::byte> bytes, const Address& to,
                        const os::Deadline& deadline) {
  const os::GuardedFd::Use fd = use("sendto");
  const std::string call = fmt::format("sendto {}", to);
  const os::SocketAddress at = attempt(call.c_str(), [&] { return find(to); });
  // poll(2) knows nothing of the room at a receiver that this socket is not connected to.
  os::Pauses pauses;
  while (!attempt(call.c_str(), [&] { return os::try_send_datagram(fd.fd(), bytes, at); })) {
    if (!pauses.next(deadline)) {
      throw TimeoutError(whom(call.c_str()) + ": the receiver takes nothing");
    }
  }
}

Datagram DatagramCore::receive(const os::Deadline& deadline) {
  const os::GuardedFd::Use fd = use("recvfrom");
  for (;;) {
    auto received = attempt("recvfrom", [&] { return os::try_receive_datagram(fd.fd()); });
    if (received) return {std::move(received->bytes), connection::address_of(received->from)};
    if (deadline.passed()) throw TimeoutError(whom("recvfrom: nothing came in time"));
    // In slices: closing a socket ends no call of another thread's that waits for it.
    const os::Deadline slice = os::Deadline::after(std::chrono::nanoseconds(os::kIdleNs));
    pollfd entry{fd.fd(), POLLIN, 0};
    os::poll_until(std::span(&entry, 1), deadline.at_ns() < slice.at_ns() ? deadline : slice);
  }
}

void DatagramCore::close() noexcept {
  if (maker_ == os::fork_generation()) {
    const std::lock_guard guard(mutex_);
    file_.remove();
  }
  fd_.close();
}

// socket := fd family:i32 address
void DatagramCore::travel(Encoder& encoder) {
  encoder.write_descriptor(fileno());
  encoder.put(static_cast<std::int32_t>(family_));
  encode(encoder, address_);
}

DatagramSocket DatagramCore::arrive(Decoder& decoder) {
  Bound bound{os::Fd(decoder.read_descriptor()), {}, {}, decoder.take<std::int32_t>()};
  bound.address = decode<Address>(decoder);
  return DatagramSocket(std::make_shared<DatagramCore>(std::move(bound)));
}

}  // namespace multiprocessing::detail
