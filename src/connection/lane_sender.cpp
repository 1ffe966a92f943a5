// SPDX-License-Identifier: BSL-1.0
#include "connection/lane_sender.hpp"

#include <algorithm>
#include <cerrno>
#include <multiprocessing/errors.hpp>
#include <system_error>

#include "connection/lane_lock.hpp"
#include "os/poll.hpp"

namespace multiprocessing::connection {
namespace {

constexpr std::int64_t kLookNs = 20'000;

// A sender that found no room waits until the receivers have made much of it.
constexpr std::size_t kRoomToGoOn = Lane::kCapacity / 2;
static_assert(Lane::frame_bytes(Lane::kBodyBytes) <= kRoomToGoOn);

[[noreturn]] void throw_broken_pipe() {
  throw BrokenPipeError("Connection: send: the other end is closed in every process");
}

// Whether the socket took it; else it has no room, or it throws.
bool check_sent(int error) {
  if (error == EPIPE || error == ECONNRESET) throw_broken_pipe();
  if (error != 0 && error != EAGAIN) {
    throw std::system_error(error, std::generic_category(), "Connection: cannot send");
  }
  return error == 0;
}

iovec part_of(std::span<const std::byte> bytes) noexcept {
  return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

iovec part_of(const PacketHeader& header) noexcept {
  return part_of(std::as_bytes(std::span(&header, 1)));
}

bool ring(int fd) {
  PacketHeader bell;
  bell.flags = PacketHeader::kBell;
  iovec part = part_of(bell);
  return check_sent(os::try_send_packet(fd, std::span(&part, 1), {}));
}

}  // namespace

Lane& LaneSender::lane() {
  if (Lane* const known = lane_.load(std::memory_order_acquire)) [[likely]]
    return *known;
  auto& slot = pipe_.lanes[end_];
  memory::Offset at = slot.load(std::memory_order_acquire);
  if (at == 0) {
    const memory::Handle made = Lane::make();
    auto& object = made.as<memory::ObjectHeader>();
    pipe_.pinned.fetch_add(1);
    memory::pin(object, &pipe_);
    const bool hooked = slot.compare_exchange_strong(at, memory::offset_of(&object));
    if (hooked) {
      at = memory::offset_of(&object);
    } else {
      memory::unpin(object, &pipe_);
      pipe_.pinned.fetch_sub(1);
    }
  }
  Lane* const lane = memory::at_as<Lane>(at);
  lane_.store(lane, std::memory_order_release);
  return *lane;
}

void LaneSender::expect_receiver(int fd) {
  const std::uint32_t closings = pipe_.closings.load(std::memory_order_acquire);
  const std::int64_t now = os::now_ns();
  if (closings == closings_seen_.load(std::memory_order_relaxed) &&
      now - looked_at_ns_.load(std::memory_order_relaxed) < kLookNs) {
    return;
  }
  if (os::hung_up(fd)) throw_broken_pipe();
  closings_seen_.store(closings, std::memory_order_relaxed);
  looked_at_ns_.store(now, std::memory_order_relaxed);
}

LaneSender::Tried LaneSender::try_frame(Lane& lane, int fd, const PacketHeader& header,
                                        std::span<const std::byte> body) {
  const LaneLock lock(lane.sending.lock);
  if (!lane.has_room(Lane::frame_bytes(body.size()))) return Tried::kNoRoom;
  if (lane.sending.bell_rung.load(std::memory_order_relaxed) == 0) {
    if (!ring(fd)) return Tried::kSocketFull;
    lane.sending.bell_rung.store(1, std::memory_order_relaxed);
  }
  lane.append(header, body);
  return Tried::kYes;
}

void LaneSender::send_frame(int fd, const PacketHeader& header, std::span<const std::byte> body) {
  Lane& lane = this->lane();
  // Who rings learns from the kernel that nobody hears it.
  if (lane.sending.bell_rung.load(std::memory_order_relaxed) != 0) expect_receiver(fd);
  for (;;) {
    const Tried tried = try_frame(lane, fd, header, body);
    if (tried == Tried::kYes) [[likely]]
      return;
    wait_for(tried, lane, fd, Lane::frame_bytes(body.size()));
  }
}

LaneSender::Tried LaneSender::try_packet(Lane& lane, int fd, PacketHeader& header,
                                         std::span<const std::byte> body,
                                         std::span<const int> riding) {
  const LaneLock lock(lane.sending.lock);
  if (!lane.has_room(Lane::frame_bytes(0))) return Tried::kNoRoom;
  header.number = ++lane.sending.last_number;
  // The bell that was rung will be in front of this packet, and gone with it.
  lane.sending.bell_rung.store(0, std::memory_order_relaxed);
  iovec parts[2] = {part_of(header), part_of(body)};
  const int error = os::try_send_packet(fd, std::span(parts, body.empty() ? 1 : 2), riding);
  if (error == EMSGSIZE) return Tried::kTooLong;
  if (!check_sent(error)) return Tried::kSocketFull;
  PacketHeader frame = header;
  frame.flags |= PacketHeader::kPacket;
  lane.append(frame, {});
  return Tried::kYes;
}

bool LaneSender::send_packet(int fd, PacketHeader header, std::span<const std::byte> body,
                             std::span<const int> riding) {
  Lane& lane = this->lane();
  for (;;) {
    const Tried tried = try_packet(lane, fd, header, body, riding);
    if (tried == Tried::kYes) return true;
    if (tried == Tried::kTooLong) return false;
    wait_for(tried, lane, fd, Lane::frame_bytes(0));
  }
}

void LaneSender::wait_for(Tried what, Lane& lane, int fd, std::size_t frame) {
  if (what == Tried::kSocketFull) {
    pollfd entry{fd, POLLOUT, 0};
    os::poll_until(std::span(&entry, 1), os::Deadline::never());
    return;
  }
  const auto enough = [&]() noexcept {
    return lane.room() >= std::max(frame, kRoomToGoOn) ? 1U : 0U;
  };
  while (!lane.receiving.gate.wait(patience_, enough,
                                   os::Deadline::after(std::chrono::milliseconds(50)))) {
    if (os::hung_up(fd)) throw_broken_pipe();
    // What keeps the other end open may be a message that a dead process left behind.
    os::do_idle_work();
    // The receivers may wait for this very message before they take another one.
    if (lane.room() >= frame) return;
  }
}

}  // namespace multiprocessing::connection
