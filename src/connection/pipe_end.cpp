// SPDX-License-Identifier: BSL-1.0
#include "connection/pipe_end.hpp"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "connection/descriptor_room.hpp"
#include "connection/travel.hpp"
#include "os/poll.hpp"
#include "os/rendezvous_pipe.hpp"
#include "os/socket.hpp"

namespace multiprocessing::connection {
namespace {

constexpr std::size_t kStep = std::size_t{512} * 1024;
// As many as wait in a socket without anybody who takes them out.
constexpr std::size_t kDescriptorsMax = 128 * os::kPacketDescriptors;

// A socket with all of the descriptors in it, for more than ride on one packet.
os::Fd seal_envelope(std::span<const int> descriptors) {
  std::pair<os::Fd, os::Fd> ends = os::packet_pair();
  const std::byte filler{1};
  while (!descriptors.empty()) {
    const auto some = descriptors.first(std::min(descriptors.size(), os::kPacketDescriptors));
    iovec part{const_cast<std::byte*>(&filler), 1};
    os::send_packet(ends.first.get(), std::span(&part, 1), some);
    descriptors = descriptors.subspan(some.size());
  }
  return std::move(ends.second);
}

// Those of a message, after the pipe of its body was taken off. False: some are missing.
bool take_descriptors(const PacketHeader& header, std::vector<os::Fd> riding,
                      std::vector<int>& into) {
  if (header.has(PacketHeader::kEnvelope)) {
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

}  // namespace

PipeEnd::PipeEnd(os::Fd fd, memory::Handle pipe, unsigned end, bool readable, bool writable)
    : ConnectionCore(std::move(fd), readable, writable),
      pipe_(std::move(pipe)),
      end_(end),
      sender_(this->pipe(), end),
      receiver_(this->pipe(), end) {}

void PipeEnd::watch(int fd) {
  pipe().watched[end_].store(1);
  // A bell of earlier messages would be a false alarm.
  static_cast<void>(arrived(fd, true));
}

void PipeEnd::send_on(int fd, const Outgoing& message) {
  PacketHeader header;
  header.type = message.type;
  header.total_bytes = message.bytes.size();
  if (message.bytes.size() <= Lane::kBodyBytes && message.descriptors.empty()) [[likely]] {
    Bag bag(pipe(), message.handles);
    header.bag = bag.offset();
    sender_.send_frame(fd, header, message.bytes);
    return bag.sent();
  }
  send_packets(fd, header, message);
}

void PipeEnd::send_packets(int fd, PacketHeader header, const Outgoing& message) {
  if (message.descriptors.size() > kDescriptorsMax) {
    throw ValueError(fmt::format("Connection: send: {} descriptors in one message; {} is the most",
                                 message.descriptors.size(), kDescriptorsMax));
  }
  std::vector<int> riding(message.descriptors.begin(), message.descriptors.end());
  os::Fd envelope;
  header.descriptors = static_cast<std::uint32_t>(riding.size());
  // One place is left for the body's pipe.
  if (riding.size() >= os::kPacketDescriptors) {
    envelope = seal_envelope(riding);
    header.flags |= PacketHeader::kEnvelope;
    riding.assign(1, envelope.get());
  }
  if (message.bytes.size() <= kPacketBodyBytes) {
    Bag bag(pipe(), message.handles);
    header.bag = bag.offset();
    if (sender_.send_packet(fd, header, message.bytes, riding)) return bag.sent();
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
    if (!sender_.send_packet(fd, header, {}, riding)) fail(EMSGSIZE, "cannot send");
    if (body.deliver(message.bytes)) return bag.sent();
    // Whoever took it was killed, or failed before it had all: nobody has it, so it is offered
    // again. If nobody is left to take it, the next attempt says so.
  }
}

LaneReceiver::Taken PipeEnd::take(int fd, detail::Incoming& message,
                                  std::optional<std::size_t> limit) {
  for (bool told = false;;) {
    if (auto taken = receiver_.take(fd, message, limit)) return std::move(*taken);
    if (receiver_.look()) continue;
    switch (receiver_.arrived(fd, std::exchange(told, false))) {
      case detail::Arrived::kMessage:
        continue;
      case detail::Arrived::kEnd:
        throw EOFError("Connection: recv: the other end is closed everywhere");
      case detail::Arrived::kNothing:
        pollfd entry{fd, POLLIN, 0};
        os::poll_until(std::span(&entry, 1), os::Deadline::never());
        told = true;
    }
  }
}

void PipeEnd::receive_on(int fd, detail::Incoming& message, std::optional<std::size_t> limit) {
  LaneReceiver::Taken taken = take(fd, message, limit);
  const PacketHeader& header = taken.header;
  if (taken.too_long) refuse(header.total_bytes, *limit);
  if (taken.body != nullptr) {
    receive_elsewhere(*taken.body, header, message);
    taken.body.reset();
  }
  if (header.bag != 0) message.handles = unpack(pipe_, header.bag);
  if (header.descriptors != 0 &&
      !take_descriptors(header, std::move(taken.riding), message.descriptors)) {
    fail(EMFILE,
         "recv: no room for the descriptors of a message, which is lost: " + descriptor_limit());
  }
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
void PipeEnd::receive_elsewhere(const os::RendezvousEnd& body, const PacketHeader& header,
                                detail::Incoming& message) {
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
  encoder.put(way_bits(Way::kPipe, readable(), writable(), end_));
  encoder.write_handle(pipe_);
  encoder.write_descriptor(fileno());
}

std::pair<Connection, Connection> make_pipe(bool duplex) {
  auto [a, b] = os::packet_pair();
  for (const int end : {a.get(), b.get()}) os::set_send_room(end, kSendRoom);
  // Tells the way to whoever looks at the descriptor, and poll(2) whom to wake.
  if (!duplex) ::shutdown(a.get(), SHUT_WR);
  const memory::Handle pipe = memory::make_object<PipeState>();
  using detail::ConnectionCore;
  return {
      ConnectionCore::connection(std::make_shared<PipeEnd>(std::move(a), pipe, 0, true, duplex)),
      ConnectionCore::connection(std::make_shared<PipeEnd>(std::move(b), pipe, 1, duplex, true))};
}

}  // namespace multiprocessing::connection
