// SPDX-License-Identifier: BSL-1.0
#include "process/handover.hpp"

#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <multiprocessing/errors.hpp>
#include <system_error>

#include "memory/object.hpp"
#include "os/fd.hpp"
#include "os/socket.hpp"

namespace multiprocessing::process {
namespace {

// handover := packet{packet}     the packets hold one content, cut into pieces
// content  := header bytes padding objects
// The descriptors ride on the first packet, what has no room there on packets of one byte that
// follow it. The first packet is short, to be received on the stack: most messages are no longer.
struct Header {
  std::uint64_t descriptors;
  std::uint64_t handles;
  std::uint64_t bytes;
  std::uint64_t reserved;
};
static_assert(sizeof(Header) % 16 == 0);

constexpr std::size_t kFirstBytes = std::size_t{3} * 1024;
constexpr std::size_t kPacketBytes = std::size_t{64} * 1024;

std::size_t padded(std::uint64_t bytes) noexcept {
  constexpr std::size_t kAlignment = sizeof(memory::ObjectName);
  return (static_cast<std::size_t>(bytes) + kAlignment - 1) / kAlignment * kAlignment;
}

template <class T> std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

using Parts = std::array<std::span<const std::byte>, 4>;

// The next packet's pieces are taken off the front of the parts.
std::vector<iovec> take_packet(Parts& parts, std::size_t room) {
  std::vector<iovec> packet;
  for (auto& part : parts) {
    const auto some = part.first(std::min(part.size(), room));
    if (some.empty()) continue;
    packet.push_back({const_cast<std::byte*>(some.data()), some.size()});
    part = part.subspan(some.size());
    room -= some.size();
  }
  return packet;
}

bool send_descriptors(int channel, const Peer& receiver, std::span<const int> descriptors) {
  std::byte filler{1};
  while (!descriptors.empty()) {
    const auto some = descriptors.first(std::min(descriptors.size(), os::kPacketDescriptors));
    iovec part{&filler, 1};
    if (!send_to(receiver, channel, std::span(&part, 1), some)) return false;
    descriptors = descriptors.subspan(some.size());
  }
  return true;
}

os::Packet receive_some(int channel, const Peer& sender, std::span<std::byte> into,
                        std::vector<os::Fd>& descriptors) {
  const os::Packet packet = receive_from(sender, channel, into, descriptors);
  if (packet.bytes == 0) throw EOFError("the parent ended while it started this process");
  return packet;
}

}  // namespace

bool hand_over(int channel, const Peer& receiver, const detail::Encoder& message) {
  std::vector<memory::ObjectName> objects;
  for (const detail::Handle& handle : message.handles()) {
    objects.push_back(memory::name_of(handle));
  }
  const Header header{message.descriptors().size(), objects.size(), message.bytes().size(), 0};
  const std::uint64_t zeros = 0;
  const std::size_t padding = padded(message.size()) - message.size();
  Parts parts{bytes_of(header), message.bytes(), bytes_of(zeros).first(padding),
              std::as_bytes(std::span(objects))};
  std::span<const int> descriptors = message.descriptors();
  const auto first = descriptors.first(std::min(descriptors.size(), os::kPacketDescriptors));
  std::vector<iovec> packet = take_packet(parts, kFirstBytes);
  if (!send_to(receiver, channel, packet, first)) return false;
  if (!send_descriptors(channel, receiver, descriptors.subspan(first.size()))) return false;
  while (!(packet = take_packet(parts, kPacketBytes)).empty()) {
    if (!send_to(receiver, channel, packet, {})) return false;
  }
  return true;
}

HandedOver::HandedOver(int channel, const Peer& sender) {
  std::byte first[kFirstBytes];
  std::vector<os::Fd> descriptors;
  const os::Packet packet = receive_some(channel, sender, first, descriptors);
  std::size_t come = packet.bytes;
  bool lost = packet.descriptors_lost;
  Header header{};
  if (come < sizeof header) throw ValueError("a message that begins a process is cut short");
  std::memcpy(&header, first, sizeof header);
  const std::size_t objects_at = sizeof header + padded(header.bytes);
  const std::size_t size = objects_at + header.handles * sizeof(memory::ObjectName);
  if (come > size) throw ValueError("a message that begins a process is longer than it says");
  content_ = std::make_unique_for_overwrite<std::byte[]>(size);
  std::memcpy(content_.get(), first, come);
  for (std::size_t known = std::min<std::size_t>(header.descriptors, os::kPacketDescriptors);
       known < header.descriptors; known += os::kPacketDescriptors) {
    lost |= receive_some(channel, sender, std::span(first, 1), descriptors).descriptors_lost;
  }
  while (come < size) {
    come += receive_some(channel, sender, {content_.get() + come, size - come}, descriptors).bytes;
  }
  bytes_ = {content_.get() + sizeof header, static_cast<std::size_t>(header.bytes)};
  objects_ = {reinterpret_cast<const memory::ObjectName*>(content_.get() + objects_at),
              static_cast<std::size_t>(header.handles)};
  if (lost) {
    throw std::system_error(EMFILE, std::generic_category(),
                            "no room for the descriptors that the parent hands over; raise the "
                            "limit of open files (ulimit -n)");
  }
  for (os::Fd& fd : descriptors) descriptors_.push_back(fd.release());
}

memory::Handle adopt_of_sender(memory::ObjectName name) {
  memory::Handle handle = memory::adopt_if_alive(name);
  if (!handle) throw EOFError("the parent ended while it started this process");
  return handle;
}

void HandedOver::adopt() {
  for (const memory::ObjectName name : objects_) handles_.push_back(adopt_of_sender(name));
}

HandedOver::~HandedOver() {
  for (const int fd : descriptors_) {
    if (fd >= 0) ::close(fd);
  }
}

}  // namespace multiprocessing::process
