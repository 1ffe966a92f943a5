// SPDX-License-Identifier: BSL-1.0
#include "connection/lane_receiver.hpp"

#include <fmt/format.h>

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "connection/descriptor_room.hpp"
#include "connection/lane_lock.hpp"
#include "memory/arena.hpp"
#include "os/socket.hpp"

namespace multiprocessing::connection {
namespace {

using detail::Arrived;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), "Connection: recv: " + what);
}

[[noreturn]] void throw_foreign() {
  fail(EBADMSG, "something that is no message was written into this pipe, or a part of one read");
}

// For what a packet brings. Later there is no way back: who finds no memory has lost the message.
void make_room(LaneReceiver::Taken& taken, detail::Incoming& message) {
  static_cast<void>(message.buffer());
  const PacketHeader& header = taken.header;
  const std::size_t body = header.has(PacketHeader::kElsewhere) ? 1 : 0;
  taken.riding.reserve(header.descriptors + body);
  message.descriptors.reserve(header.descriptors);
}

}  // namespace

Lane* LaneReceiver::lane() noexcept {
  Lane* known = lane_.load(std::memory_order_acquire);
  if (known != nullptr) [[likely]]
    return known;
  const memory::Offset at = pipe_.lanes[1 - end_].load(std::memory_order_acquire);
  if (at == 0) return nullptr;
  known = memory::at_as<Lane>(at);
  lane_.store(known, std::memory_order_release);
  return known;
}

bool LaneReceiver::look() noexcept {
  Lane* const lane = this->lane();
  if (lane == nullptr) return false;
  const std::size_t frame = last_frame_.load(std::memory_order_relaxed);
  return patience_.look([&]() noexcept {
    const std::size_t used = Lane::kCapacity - lane->room();
    return used == 0 ? 0U : static_cast<std::uint32_t>(used / frame) | 1U;
  });
}

std::optional<LaneReceiver::Taken> LaneReceiver::take(int fd, detail::Incoming& message,
                                                      std::optional<std::size_t> limit) {
  Lane* const lane = this->lane();
  if (lane == nullptr || lane->empty()) return std::nullopt;
  Taken taken;
  {
    const LaneLock lock(lane->receiving.lock);
    if (!lane->has_frame()) return std::nullopt;
    PacketHeader& header = taken.header;
    header = lane->front();
    if (header.descriptors != 0) expect_room_for_descriptors(fd, header.descriptors);
    taken.too_long = limit && header.total_bytes > *limit;
    if (header.has(PacketHeader::kPacket)) {
      if (!taken.too_long) make_room(taken, message);
      // First: if this process dies in the middle, the packet is one without a frame.
      lane->pop(Lane::frame_bytes(0));
      if (!taken.too_long) receive_packet(fd, taken, message);
    } else {
      const auto bytes = static_cast<std::size_t>(header.total_bytes);
      const std::span<std::byte> room = message.room(bytes);
      lane->copy_body(room);
      lane->pop(Lane::frame_bytes(bytes));
      message.bytes = room;
      last_frame_.store(Lane::frame_bytes(bytes), std::memory_order_relaxed);
    }
    message.type = header.type;
  }
  if (lane->room() >= Lane::kCapacity / 2) lane->receiving.gate.notify_one();
  if (pipe_.watched[end_].load(std::memory_order_relaxed) != 0) [[unlikely]] {
    static_cast<void>(arrived(fd, true));
  }
  return taken;
}

// In front of it there may be bells, and packets whose senders died before they published them.
void LaneReceiver::receive_packet(int fd, Taken& taken, detail::Incoming& message) const {
  const std::uint64_t number = taken.header.number;
  const std::span<std::byte> buffer = message.buffer();
  PacketHeader header;
  for (;;) {
    const os::NoFork no_fork;
    const auto packet = os::try_receive_packet(fd, buffer, taken.riding);
    if (!packet || packet->bytes < sizeof header) throw_foreign();
    std::memcpy(&header, buffer.data(), sizeof header);
    if (header.mark != PacketHeader::kMark) throw_foreign();
    const bool bell = header.has(PacketHeader::kBell);
    if (!bell && header.number > number) throw_foreign();
    if (!bell && header.number == number) {
      const bool elsewhere = header.has(PacketHeader::kElsewhere);
      if (packet->bytes - sizeof header != (elsewhere ? 0 : header.total_bytes)) throw_foreign();
      if (packet->descriptors_lost || (elsewhere && taken.riding.empty())) {
        fail(EMFILE, "no room for what comes with the next message: " + descriptor_limit() +
                         (elsewhere ? "; the message comes again" : "; the message is lost"));
      }
      if (elsewhere) {
        taken.body = std::make_unique<os::RendezvousEnd>(std::move(taken.riding.front()), no_fork);
        taken.riding.erase(taken.riding.begin());
      }
      message.bytes = buffer.subspan(sizeof header, packet->bytes - sizeof header);
      return;
    }
    taken.riding.clear();
  }
}

Arrived LaneReceiver::arrived(int fd, bool told) {
  Lane* const lane = this->lane();
  if (lane != nullptr) {
    if (!lane->empty()) return Arrived::kMessage;
    if (!told && lane->sending.bell_rung.load(std::memory_order_relaxed) == 0) {
      return Arrived::kNothing;
    }
    return drain(*lane, fd, told);
  }
  if (!told) return Arrived::kNothing;
  std::byte byte{};
  std::vector<os::Fd> none;
  const auto packet = os::try_receive_packet(fd, std::span(&byte, 1), none, MSG_PEEK);
  if (!packet) return Arrived::kNothing;
  // A bell comes before the first frame, but after the lane.
  return packet->bytes == 0 ? Arrived::kEnd : Arrived::kMessage;
}

// With both locks and no frame, whatever is in the socket belongs to none.
Arrived LaneReceiver::drain(Lane& lane, int fd, bool told) {
  const LaneLock receivers(lane.receiving.lock);
  const LaneLock senders(lane.sending.lock);
  if (!lane.empty()) return Arrived::kMessage;
  lane.sending.bell_rung.store(0, std::memory_order_relaxed);
  std::byte byte{};
  std::vector<os::Fd> dropped;
  do {
    const auto packet = os::try_receive_packet(fd, std::span(&byte, 1), dropped);
    if (!packet) return Arrived::kNothing;
    if (packet->bytes == 0) return Arrived::kEnd;
    // One bell is all there is, most of the time; the descriptor tells if there is more.
  } while (told);
  return Arrived::kNothing;
}

}  // namespace multiprocessing::connection
