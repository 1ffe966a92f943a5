// SPDX-License-Identifier: BSL-1.0
#include "connection/pipe_end.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "connection/travel.hpp"
#include "os/rendezvous_pipe.hpp"
#include "os/socket.hpp"

namespace multiprocessing::connection {
namespace {

constexpr std::size_t kStep = std::size_t{512} * 1024;
// As many as wait in a socket without anybody who takes them out.
constexpr std::size_t kDescriptorsMax = 128 * os::kPacketDescriptors;

iovec part_of(std::span<const std::byte> bytes) noexcept {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

os::Sent send_parts(int fd, const PacketHeader& header, std::span<const std::byte> body,
                    std::span<const int> riding) {
  iovec parts[2] = {part_of(std::as_bytes(std::span(&header, 1))), part_of(body)};
  return os::send_packet(fd, std::span(parts, body.empty() ? 1 : 2), riding);
}

[[noreturn]] void throw_broken_pipe() {
  throw BrokenPipeError("Connection: send: the other end is closed in every process");
}

// A socket with all of the descriptors in it, for more than ride on one packet.
os::Fd seal_envelope(std::span<const int> descriptors) {
  std::pair<os::Fd, os::Fd> ends = os::packet_pair();
  const std::byte filler{1};
  while (!descriptors.empty()) {
    const auto some = descriptors.first(std::min(descriptors.size(), os::kPacketDescriptors));
    iovec part = part_of(std::span(&filler, 1));
    os::send_packet(ends.first.get(), std::span(&part, 1), some);
    descriptors = descriptors.subspan(some.size());
  }
  return std::move(ends.second);
}

// Those of a message, after the pipe of its body was taken off. False: some are missing.
bool take_descriptors(const PacketHeader& header, std::vector<os::Fd> riding,
                      std::vector<int>& into) {
  if ((header.flags & PacketHeader::kEnvelope) != 0) {
    if (riding.empty()) return false;
    const os::Fd envelope = std::move(riding.front());
    riding.clear();
    std::byte filler{};
    while (riding.size() < header.descriptors) {
      const os::Packet packet = os::receive_packet(envelope.get(), std::span(&filler, 1), riding);
      if (packet.bytes == 0 || packet.descriptors_lost) return false;
    }
  }
  if (riding.size() != header.descriptors) return false;
  into.reserve(riding.size());
  for (os::Fd& descriptor : riding) into.push_back(descriptor.release());
  return true;
}

std::string descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return fmt::format(
      "this process may have {} descriptors open (RLIMIT_NOFILE) and has as many; "
      "close some or raise the limit (ulimit -n)",
      limit.rlim_cur);
}

// Whether `count` more descriptors can be opened.
bool room_for_descriptors(int fd, std::size_t count) {
  std::vector<os::Fd> opened;
  opened.reserve(count);
  while (opened.size() < count) {
    opened.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!opened.back()) return false;
  }
  return true;
}

}  // namespace

PipeEnd::PipeEnd(os::Fd fd, memory::Handle pipe, bool readable, bool writable)
    : ConnectionCore(std::move(fd), readable, writable), pipe_(std::move(pipe)) {}

void PipeEnd::send_on(int fd, const Outgoing& message) {
  PacketHeader header{PacketHeader::kMark, message.type, message.bytes.size(), 0, 0, 0};
  if (message.bytes.size() <= kBodyBytes && message.handles.empty() && message.descriptors.empty())
      [[likely]] {
    const os::Sent sent = send_parts(fd, header, message.bytes, {});
    if (sent == os::Sent::kYes) return;
    if (sent == os::Sent::kPeerClosed) throw_broken_pipe();
  }
  if (message.descriptors.size() > kDescriptorsMax) {
    throw ValueError(fmt::format("Connection: send: {} descriptors in one message; {} is the most",
                                 message.descriptors.size(), kDescriptorsMax));
  }
  std::vector<int> riding(message.descriptors.begin(), message.descriptors.end());
  os::Fd envelope;
  header.descriptors = static_cast<std::uint32_t>(riding.size());
  if (!riding.empty()) pipe().carries_descriptors.store(1);
  // One place is left for the body's pipe.
  if (riding.size() >= os::kPacketDescriptors) {
    envelope = seal_envelope(riding);
    header.flags |= PacketHeader::kEnvelope;
    riding.assign(1, envelope.get());
  }
  if (message.bytes.size() <= kBodyBytes) {
    Bag bag(pipe(), message.handles);
    header.bag = bag.offset();
    const os::Sent sent = send_parts(fd, header, message.bytes, riding);
    if (sent == os::Sent::kYes) return bag.sent();
    if (sent == os::Sent::kPeerClosed) throw_broken_pipe();
  }
  send_elsewhere(fd, header, message, std::move(riding));
}

void PipeEnd::send_elsewhere(int fd, PacketHeader header, const Outgoing& message,
                             std::vector<int> riding) {
  header.flags |= PacketHeader::kElsewhere;
  riding.insert(riding.begin(), -1);
  for (;;) {
    Bag bag(pipe(), message.handles);
    header.bag = bag.offset();
    os::RendezvousPipe body(message.bytes.size());
    riding.front() = body.reader();
    if (send_parts(fd, header, {}, riding) != os::Sent::kYes) throw_broken_pipe();
    if (body.deliver(message.bytes)) return bag.sent();
    // Whoever took it was killed, or failed before it had all: nobody has it, so it is offered
    // again. If nobody is left to take it, the next attempt says so.
  }
}

PacketHeader PipeEnd::receive_packet(int fd, detail::Incoming& message,
                                     std::vector<os::Fd>& riding) {
  const std::span<std::byte> buffer = message.buffer();
  const os::Packet packet = os::receive_packet(fd, buffer, riding);
  if (packet.bytes == 0) throw EOFError("Connection: recv: the other end is closed everywhere");
  PacketHeader header{};
  std::memcpy(&header, buffer.data(), std::min(sizeof header, packet.bytes));
  const bool elsewhere = (header.flags & PacketHeader::kElsewhere) != 0;
  if (packet.bytes < sizeof header || header.mark != PacketHeader::kMark ||
      packet.bytes - sizeof header != (elsewhere ? 0 : header.total_bytes)) {
    fail(EBADMSG, "recv: something that is no message was written into this pipe");
  }
  if (packet.descriptors_lost || (elsewhere && riding.empty())) {
    fail(EMFILE, "recv: no room for what comes with the next message: " + descriptor_limit() +
                     (elsewhere ? "; the message comes again" : "; the message is lost"));
  }
  message.bytes = buffer.subspan(sizeof header, packet.bytes - sizeof header);
  message.type = header.type;
  return header;
}

void PipeEnd::receive_on(int fd, detail::Incoming& message, std::optional<std::size_t> limit) {
  if (pipe().carries_descriptors.load(std::memory_order_relaxed) != 0) [[unlikely]]
    await_room_for_descriptors(fd);
  std::vector<os::Fd> riding;
  const PacketHeader header = receive_packet(fd, message, riding);
  if (limit && header.total_bytes > *limit) refuse(header.total_bytes, *limit);
  if ((header.flags & PacketHeader::kElsewhere) != 0) {
    os::Fd body = std::move(riding.front());
    riding.erase(riding.begin());
    receive_elsewhere(std::move(body), header, message);
  }
  if (header.bag != 0) message.handles = unpack(pipe_, header.bag);
  if (header.descriptors != 0 &&
      !take_descriptors(header, std::move(riding), message.descriptors)) {
    fail(EMFILE,
         "recv: no room for the descriptors of a message, which is lost: " + descriptor_limit());
  }
}

// Descriptors that do not fit are dropped by the kernel, together with the chance to ask again: so
// the next message is looked at before it is taken.
void PipeEnd::await_room_for_descriptors(int fd) {
  PacketHeader header{};
  const auto bytes = std::as_writable_bytes(std::span(&header, 1));
  if (os::peek_packet(fd, bytes) < sizeof header || header.mark != PacketHeader::kMark) return;
  if (header.descriptors == 0 || room_for_descriptors(fd, header.descriptors + 2)) return;
  fail(EMFILE, fmt::format("recv: the next message, which stays, carries {} descriptors, but {}",
                           header.descriptors, descriptor_limit()));
}

void PipeEnd::read_body(const os::RendezvousEnd& body, std::span<std::byte> into,
                        std::uint64_t before, std::uint64_t total) {
  const std::size_t got = os::read_delivered(body, into);
  if (got == into.size()) return;
  fail(ECONNRESET,
       fmt::format("recv: the sender ended in the middle of a message, after {} of {} bytes",
                   before + got, total));
}

// Memory is touched as the bytes come, so that an early end costs nothing.
void PipeEnd::receive_elsewhere(os::Fd pipe, const PacketHeader& header,
                                detail::Incoming& message) {
  const os::RendezvousEnd body(std::move(pipe));
  const std::uint64_t total = header.total_bytes;
  if (header.type != 0) {
    const std::span<std::byte> room = message.room(total);
    read_body(body, room, 0, total);
    message.bytes = room;
    return;
  }
  // For recv_bytes, which gives a vector.
  std::vector<std::byte> whole;
  whole.reserve(total);
  while (whole.size() < total) {
    const std::size_t at = whole.size();
    whole.resize(at + std::min<std::size_t>(kStep, total - at));
    read_body(body, std::span(whole).subspan(at), at, total);
  }
  message.assign(std::move(whole));
}

void PipeEnd::travel(detail::Encoder& encoder) {
  encoder.put(way_bits(Way::kPipe, readable(), writable()));
  encoder.write_handle(pipe_);
  encoder.write_descriptor(fileno());
}

std::pair<Connection, Connection> make_pipe(bool duplex) {
  auto [a, b] = os::packet_pair();
  for (const int end : {a.get(), b.get()}) {
    os::set_send_room(end, kSendRoom);
    // A dead process may have left the other end parked, open for nobody.
    os::set_idle_turns(end);
  }
  // Tells the way to whoever looks at the descriptor, and poll(2) whom to wake.
  if (!duplex) ::shutdown(a.get(), SHUT_WR);
  const memory::Handle pipe = memory::make_object<PipeState>();
  using detail::ConnectionCore;
  return {ConnectionCore::connection(std::make_shared<PipeEnd>(std::move(a), pipe, true, duplex)),
          ConnectionCore::connection(std::make_shared<PipeEnd>(std::move(b), pipe, duplex, true))};
}

}  // namespace multiprocessing::connection
