// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/connection.hpp>

#include <fmt/format.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "connection/core.hpp"
#include "connection/pipe_end.hpp"
#include "connection/preamble.hpp"
#include "connection/stream_end.hpp"
#include "connection/travel.hpp"

namespace multiprocessing {
namespace detail {
namespace {

thread_local std::unique_ptr<Encoder> spare_encoder;

// One large message shall not keep its memory for the rest of the thread's life.
constexpr std::size_t kKeptBytes = (std::size_t{1} << 20) + (std::size_t{64} << 10);

}  // namespace

OutgoingEncoder::OutgoingEncoder()
    : encoder_(spare_encoder != nullptr ? std::move(spare_encoder) : std::make_unique<Encoder>()) {}

OutgoingEncoder::~OutgoingEncoder() {
  if (encoder_->size() > kKeptBytes) return;
  encoder_->clear();
  spare_encoder = std::move(encoder_);
}

std::pair<Connection, Connection> make_pipe(bool duplex) { return connection::make_pipe(duplex); }

void Traveller<Connection>::encode(Encoder& encoder, const Connection& connection) {
  ConnectionCore::of(connection).travel(encoder);
}

Connection Traveller<Connection>::decode(Decoder& decoder) {
  using connection::Way;
  const unsigned bits = decoder.take<std::uint8_t>();
  const bool readable = (bits & 4U) != 0;
  const bool writable = (bits & 8U) != 0;
  Handle shared = decoder.read_handle();
  os::Fd fd(decoder.read_descriptor());
  if ((bits & 3U) == static_cast<unsigned>(Way::kStream)) {
    connection::StreamOptions options;
    options.max_message_bytes = decoder.take<std::uint64_t>();
    options.pickle = decoder.take<std::uint8_t>() != 0;
    return ConnectionCore::connection(std::make_shared<connection::StreamEnd>(
        std::move(fd), options, connection::ReadAhead(std::move(shared)), readable, writable));
  }
  if (!shared) throw ValueError("Connection: this is no message of a Connection");
  return ConnectionCore::connection(std::make_shared<connection::PipeEnd>(
      std::move(fd), std::move(shared), (bits & 16U) >> 4, readable, writable));
}

}  // namespace detail

namespace {

using detail::ConnectionCore;

// Bytes that were sent as such and are a typed message nevertheless: passed on by somebody who
// received them by recv_bytes, or come over a stream.
void understand(detail::Incoming& message) {
  if (message.type != 0) return;
  if (const auto type = connection::type_in_preamble(message.bytes); type != 0) {
    message.read_as(type, connection::kPreambleBytes);
  }
}

// By its first operation, which all have since protocol 2.
bool is_pickle(std::span<const std::byte> bytes) noexcept {
  return bytes.size() >= 2 && bytes.front() == std::byte{0x80};
}

// Handles do not survive as bytes: the message stays for recv.
detail::Incoming receive_bytes(ConnectionCore& core, const char* call,
                               std::optional<std::size_t> limit) {
  detail::Incoming message = core.receive(call, limit);
  if (message.handles.empty() && message.descriptors.empty()) return message;
  core.give_back(std::move(message));
  throw TypeError(
      fmt::format("Connection: {}: the next message contains handles; receive it by recv()", call));
}

std::vector<std::byte> as_vector(detail::Incoming& message) {
  if (message.type == 0) return message.take_bytes();
  const auto front = connection::preamble(message.type);
  std::vector<std::byte> bytes;
  bytes.reserve(front.size() + message.bytes.size());
  bytes.insert(bytes.end(), front.begin(), front.end());
  bytes.insert(bytes.end(), message.bytes.begin(), message.bytes.end());
  return bytes;
}

}  // namespace

Connection::Connection(int fd, bool readable, bool writable) {
  os::Fd owned(fd);
  int type = 0;
  socklen_t size = sizeof type;
  if (!readable && !writable) {
    throw ValueError("Connection: at least one of readable and writable must be true");
  }
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            fmt::format("Connection: descriptor {} is no socket", fd));
  }
  if (type != SOCK_STREAM) {
    throw ValueError(fmt::format("Connection: descriptor {} is no stream socket", fd));
  }
  core_ = std::make_shared<connection::StreamEnd>(std::move(owned), connection::StreamOptions{},
                                                  connection::ReadAhead(), readable, writable);
}

void Connection::send_message(detail::Fingerprint type, const detail::Encoder& encoder) {
  ConnectionCore::of(*this).send(type, encoder.bytes(), encoder.handles(), encoder.descriptors());
}

void Connection::send_message(detail::Fingerprint type, std::span<const std::byte> bytes) {
  ConnectionCore::of(*this).send(type, bytes, {}, {});
}

detail::Incoming Connection::receive() {
  detail::Incoming message = ConnectionCore::of(*this).receive("recv");
  understand(message);
  if (message.type != kUntyped || is_pickle(message.bytes)) return message;
  give_back(std::move(message));
  throw TypeError("Connection: recv: the next message was sent by send_bytes; use recv_bytes()");
}

void Connection::give_back(detail::Incoming&& message) {
  ConnectionCore::of(*this).give_back(std::move(message));
}

void Connection::send_bytes(std::span<const std::byte> bytes, std::size_t offset,
                            std::optional<std::size_t> size) {
  if (offset > bytes.size()) {
    throw ValueError(fmt::format(
        "Connection: send_bytes: offset {} is beyond the buffer's {} bytes", offset, bytes.size()));
  }
  if (size && *size > bytes.size() - offset) {
    throw ValueError(
        fmt::format("Connection: send_bytes: {} bytes from offset {} are beyond the buffer's {}",
                    *size, offset, bytes.size()));
  }
  bytes = size ? bytes.subspan(offset, *size) : bytes.subspan(offset);
  send_message(kUntyped, bytes);
}

std::vector<std::byte> Connection::recv_bytes(std::optional<std::size_t> maxlength) {
  detail::Incoming message = receive_bytes(ConnectionCore::of(*this), "recv_bytes", maxlength);
  return as_vector(message);
}

std::size_t Connection::recv_bytes_into(std::span<std::byte> buffer, std::size_t offset) {
  if (offset > buffer.size()) {
    throw ValueError(
        fmt::format("Connection: recv_bytes_into: offset {} is beyond the buffer's {} bytes",
                    offset, buffer.size()));
  }
  detail::Incoming message =
      receive_bytes(ConnectionCore::of(*this), "recv_bytes_into", std::nullopt);
  std::vector<std::byte> typed;
  std::span<const std::byte> bytes = message.bytes;
  if (message.type != 0) bytes = typed = as_vector(message);
  if (bytes.size() > buffer.size() - offset) throw BufferTooShort(as_vector(message));
  if (!bytes.empty()) std::memcpy(buffer.data() + offset, bytes.data(), bytes.size());
  return bytes.size();
}

bool Connection::poll() const {
  return ConnectionCore::of(*this).poll(os::Deadline::after(std::chrono::seconds(0)));
}
bool Connection::poll(Timeout timeout) const {
  return ConnectionCore::of(*this).poll(os::Deadline::after(timeout));
}
int Connection::fileno() const { return ConnectionCore::of(*this).watched_fileno(); }
void Connection::close() {
  if (core_ != nullptr) core_->close();
}
bool Connection::closed() const noexcept { return core_ == nullptr || core_->closed(); }
bool Connection::readable() const noexcept { return core_ != nullptr && core_->readable(); }
bool Connection::writable() const noexcept { return core_ != nullptr && core_->writable(); }
bool Connection::pickles() const noexcept { return core_ != nullptr && core_->pickles(); }
void Connection::set_pickles(bool on) { ConnectionCore::of(*this).pickles(on); }

}  // namespace multiprocessing
