// SPDX-License-Identifier: BSL-1.0
#include "process/handover.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <multiprocessing/errors.hpp>
#include <span>
#include <system_error>

#include "memory/object.hpp"
#include "os/socket.hpp"

namespace multiprocessing::process {
namespace {

// handover := header packet{packet}       the packets hold, one after the other, the descriptors
//                                         (a byte for each bundle), the offsets and the bytes
struct Header {
  std::uint64_t descriptors;
  std::uint64_t handles;
  std::uint64_t bytes;
};

constexpr std::size_t kPacketBytes = std::size_t{64} * 1024;

template <class T> iovec part_of(std::span<T> values) noexcept {
  return {const_cast<std::byte*>(std::as_bytes(values).data()), values.size_bytes()};
}

bool send_one(int channel, iovec part, std::span<const int> descriptors = {}) {
  return os::send_packet(channel, std::span(&part, 1), descriptors) == os::Sent::kYes;
}

bool send_descriptors(int channel, std::span<const int> descriptors) {
  const std::byte filler{1};
  while (!descriptors.empty()) {
    const auto some = descriptors.first(std::min(descriptors.size(), os::kPacketDescriptors));
    if (!send_one(channel, part_of(std::span(&filler, 1)), some)) return false;
    descriptors = descriptors.subspan(some.size());
  }
  return true;
}

bool send_bytes(int channel, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto some = bytes.first(std::min(bytes.size(), kPacketBytes));
    if (!send_one(channel, part_of(some))) return false;
    bytes = bytes.subspan(some.size());
  }
  return true;
}

void receive_bytes(int channel, std::span<std::byte> into) {
  std::vector<os::Fd> none;
  while (!into.empty()) {
    const os::Packet packet =
        os::receive_packet(channel, into.first(std::min(into.size(), kPacketBytes)), none);
    if (packet.bytes == 0) throw EOFError("the parent ended while it started this process");
    into = into.subspan(packet.bytes);
  }
}

void receive_descriptors(int channel, std::size_t count, std::vector<os::Fd>& into) {
  std::byte filler{};
  while (into.size() < count) {
    const os::Packet packet = os::receive_packet(channel, std::span(&filler, 1), into);
    if (packet.bytes == 0) throw EOFError("the parent ended while it started this process");
    if (packet.descriptors_lost) {
      throw std::system_error(EMFILE, std::generic_category(),
                              "no room for the descriptors that the parent hands over; raise the "
                              "limit of open files (ulimit -n)");
    }
  }
}

}  // namespace

bool hand_over(int channel, const detail::Encoder& message) {
  std::vector<memory::Offset> offsets;
  for (const detail::Handle& handle : message.handles()) {
    offsets.push_back(memory::offset_of(handle.get()));
  }
  const Header header{message.descriptors().size(), offsets.size(), message.bytes().size()};
  return send_one(channel, part_of(std::span(&header, 1))) &&
         send_descriptors(channel, message.descriptors()) &&
         send_bytes(channel, std::as_bytes(std::span(offsets))) &&
         send_bytes(channel, message.bytes());
}

HandedOver::HandedOver(int channel) {
  Header header{};
  receive_bytes(channel, std::as_writable_bytes(std::span(&header, 1)));
  std::vector<os::Fd> descriptors;
  receive_descriptors(channel, header.descriptors, descriptors);
  std::vector<memory::Offset> offsets(header.handles);
  receive_bytes(channel, std::as_writable_bytes(std::span(offsets)));
  bytes_.resize(header.bytes);
  receive_bytes(channel, bytes_);
  for (const memory::Offset offset : offsets) handles_.push_back(memory::adopt(offset));
  for (os::Fd& fd : descriptors) descriptors_.push_back(fd.release());
}

HandedOver::~HandedOver() {
  for (const int fd : descriptors_) {
    if (fd >= 0) ::close(fd);
  }
}

}  // namespace multiprocessing::process
