// SPDX-License-Identifier: BSL-1.0
#include "connection/stream_end.hpp"

#include <arpa/inet.h>
#include <endian.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <mutex>

#include "connection/preamble.hpp"
#include "connection/travel.hpp"

namespace multiprocessing::connection {
namespace {

constexpr std::uint64_t kShortMax = 0x7fff'ffff;
constexpr std::uint32_t kLong = 0xffff'ffff;
constexpr std::uint64_t kStep = std::uint64_t{1} << 20;
// The other side's word alone is worth no more memory than this.
constexpr std::uint64_t kReservedMax = std::uint64_t{64} << 20;

iovec part_of(std::span<const std::byte> bytes) noexcept {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

// The length in front of a frame.
class LengthPrefix {
 public:
  explicit LengthPrefix(std::uint64_t length) noexcept
      : short_(htonl(length > kShortMax ? kLong : static_cast<std::uint32_t>(length))),
        long_(htobe64(length)),
        is_long_(length > kShortMax) {}
  [[nodiscard]] iovec part() noexcept { return {&short_, sizeof short_}; }
  [[nodiscard]] iovec long_part() noexcept { return {&long_, is_long_ ? sizeof long_ : 0}; }

 private:
  std::uint32_t short_;
  std::uint64_t long_;
  bool is_long_;
};

}  // namespace

std::shared_ptr<StreamEnd> StreamEnd::of_own(os::Fd fd, StreamOptions options) {
  os::set_slices(fd.get());
  return std::make_shared<StreamEnd>(std::move(fd), options, ReadAhead::of_own_descriptor());
}

void StreamEnd::send_on(int fd, const Outgoing& message) {
  if (!message.handles.empty() || !message.descriptors.empty()) {
    throw TypeError(
        "Connection: send: the message contains a handle (a Lock, a Queue, a Connection…), which "
        "reaches only processes of this program; send it through a Pipe or a Queue");
  }
  const auto front = preamble(message.type);
  const auto shown = std::span(front).first(message.type != 0 ? front.size() : 0);
  LengthPrefix length(shown.size() + message.bytes.size());
  iovec parts[] = {length.part(), length.long_part(), part_of(shown), part_of(message.bytes)};
  const std::lock_guard turn(sending_);
  if (!os::send_all(fd, parts, sleep_)) {
    throw BrokenPipeError("Connection: send: the other side is closed");
  }
}

void StreamEnd::receive_exactly(Source& from, std::span<std::byte> into, std::uint64_t before,
                                std::uint64_t total) {
  const std::size_t here = std::min(from.front.size(), into.size());
  std::copy_n(from.front.begin(), here, into.begin());
  from.front = from.front.subspan(here);
  const std::size_t got =
      here + os::receive_all(from.fd, into.subspan(here), os::Deadline::never(), sleep_);
  if (got == into.size()) return;
  if (got == 0 && before == 0) throw EOFError("Connection: recv: the other side is closed");
  end_reading();
  fail(ECONNRESET, fmt::format("recv: the stream ended in the middle of a message, after {} of {} "
                               "bytes",
                               before + got, total));
}

std::uint64_t StreamEnd::receive_length(Source& from) {
  std::uint32_t length = 0;
  receive_exactly(from, std::as_writable_bytes(std::span(&length, 1)), 0, sizeof length);
  length = ntohl(length);
  if (length <= kShortMax) return length;
  std::uint64_t longer = 0;
  if (length == kLong) {
    receive_exactly(from, std::as_writable_bytes(std::span(&longer, 1)), sizeof length,
                    sizeof length + sizeof longer);
    longer = be64toh(longer);
  }
  // Nothing behind this can be made sense of.
  if (length != kLong || longer > static_cast<std::uint64_t>(INT64_MAX)) {
    end_reading();
    fail(EBADMSG, fmt::format("recv: bad message length {:#x}; this end cannot be read any more",
                              length == kLong ? longer : length));
  }
  return longer;
}

void StreamEnd::receive_payload(Source& from, std::uint64_t length, detail::Incoming& message) {
  if (length <= detail::Incoming::kBufferBytes) {
    const std::span<std::byte> buffer = message.buffer().first(length);
    if (length != 0) receive_exactly(from, buffer, sizeof(std::uint32_t), length);
    message.bytes = buffer;
    return;
  }
  std::vector<std::byte> whole;
  whole.reserve(std::min(length, kReservedMax));
  while (whole.size() < length) {
    const std::size_t at = whole.size();
    whole.resize(at + std::min(kStep, length - at));
    receive_exactly(from, std::span(whole).subspan(at), at + sizeof(std::uint32_t), length);
  }
  message.assign(std::move(whole));
}

void StreamEnd::receive_frame(Source& from, detail::Incoming& message,
                              std::optional<std::size_t> limit) {
  const std::uint64_t length = receive_length(from);
  if (limit && length > *limit) refuse(length, *limit);
  if (length > options_.max_message_bytes) {
    end_reading();
    fail(EMSGSIZE, fmt::format("recv: bad message length: the next message has {} bytes, and "
                               "max_message_bytes is {}; this end cannot be read any more",
                               length, options_.max_message_bytes));
  }
  try {
    receive_payload(from, length, message);
  } catch (const std::exception&) {
    // Nobody knows where the next frame begins.
    end_reading();
    throw;
  }
}

void StreamEnd::receive_on(int fd, detail::Incoming& message, std::optional<std::size_t> limit) {
  const std::lock_guard guard(receiving_);
  ReadAhead::Turn turn(ahead_);
  if (turn.reads_ahead()) {
    turn.received(os::receive_some(fd, turn.room(), os::Deadline::never(), sleep_));
    if (turn.bytes().empty()) throw EOFError("Connection: recv: the other side is closed");
  }
  Source from{fd, turn.bytes()};
  receive_frame(from, message, limit);
  turn.end(from.front);
}

detail::Arrived StreamEnd::arrived(int fd, bool told) {
  return ahead_.empty() ? ConnectionCore::arrived(fd, told) : detail::Arrived::kMessage;
}

void StreamEnd::travel(detail::Encoder& encoder) {
  encoder.put(way_bits(Way::kStream, readable(), writable()));
  encoder.write_handle(ahead_.share());
  encoder.write_descriptor(fileno());
  encoder.put(options_.max_message_bytes);
  encoder.put(static_cast<std::uint8_t>(pickles()));
}

}  // namespace multiprocessing::connection
