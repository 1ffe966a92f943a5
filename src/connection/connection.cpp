// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/connection.hpp>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "connection/core.hpp"
#include "os/packet_socket.hpp"

namespace multiprocessing {
namespace detail {
namespace {

thread_local std::unique_ptr<Encoder> spare_encoder;

// One large message shall not keep its memory for the rest of the thread's life.
constexpr std::size_t kKeptBytes = std::size_t{1} << 20;

}  // namespace

OutgoingEncoder::OutgoingEncoder()
    : encoder_(spare_encoder != nullptr ? std::move(spare_encoder) : std::make_unique<Encoder>()) {}

OutgoingEncoder::~OutgoingEncoder() {
  if (encoder_->size() > kKeptBytes) return;
  encoder_->clear();
  spare_encoder = std::move(encoder_);
}

std::pair<Connection, Connection> make_pipe(bool duplex) {
  auto [a, b] = os::packet_pair();
  const memory::Handle pipe = memory::make_object<connection::PipeState>();
  return {ConnectionCore::connection(
              std::make_shared<ConnectionCore>(std::move(a), pipe, 0U, true, duplex)),
          ConnectionCore::connection(
              std::make_shared<ConnectionCore>(std::move(b), pipe, 1U, duplex, true))};
}

void Traveller<Connection>::encode(Encoder& encoder, const Connection& connection) {
  connection.core_->travel(encoder);
}

Connection Traveller<Connection>::decode(Decoder& decoder) {
  return Connection(ConnectionCore::arrive(decoder));
}

}  // namespace detail

void Connection::send_message(detail::Fingerprint type, const detail::Encoder& encoder) {
  core_->send(type, encoder.bytes(), encoder.handles(), encoder.descriptors());
}
detail::Incoming Connection::receive() { return core_->receive(); }
void Connection::give_back(detail::Incoming&& message) { core_->give_back(std::move(message)); }

void Connection::send_bytes(std::span<const std::byte> bytes) { core_->send(0, bytes, {}, {}); }

namespace {

// Typed messages are not bytes: whoever asks for bytes is told, and the message stays.
detail::Incoming receive_bytes(detail::ConnectionCore& core) {
  detail::Incoming message = core.receive();
  if (message.type == 0) return message;
  core.give_back(std::move(message));
  throw TypeError("Connection: recv_bytes of a message that was sent by send(); use recv()");
}

}  // namespace

std::vector<std::byte> Connection::recv_bytes(std::optional<std::size_t> maxlength) {
  detail::Incoming message = receive_bytes(*core_);
  if (maxlength && message.bytes.size() > *maxlength) {
    const std::string text = "Connection: recv_bytes(" + std::to_string(*maxlength) +
                             "): the next message has " + std::to_string(message.bytes.size()) +
                             " bytes";
    core_->give_back(std::move(message));
    throw std::system_error(EMSGSIZE, std::generic_category(), text);
  }
  return {message.bytes.begin(), message.bytes.end()};
}

std::size_t Connection::recv_bytes_into(std::span<std::byte> buffer) {
  detail::Incoming message = receive_bytes(*core_);
  if (message.bytes.size() > buffer.size()) {
    throw BufferTooShort(std::vector<std::byte>(message.bytes.begin(), message.bytes.end()));
  }
  std::memcpy(buffer.data(), message.bytes.data(), message.bytes.size());
  return message.bytes.size();
}

bool Connection::poll() const { return core_->poll(os::Deadline::after(std::chrono::seconds(0))); }
bool Connection::poll(Timeout timeout) const { return core_->poll(os::Deadline::after(timeout)); }
int Connection::fileno() const { return core_->fileno(); }
void Connection::close() { core_->close(); }
bool Connection::closed() const { return core_->closed(); }
bool Connection::readable() const { return core_->readable(); }
bool Connection::writable() const { return core_->writable(); }

namespace connection {

bool Waitable::ready_now() const {
  return connection_ && multiprocessing::detail::ConnectionCore::pending_in(*connection_);
}

}  // namespace connection
}  // namespace multiprocessing
