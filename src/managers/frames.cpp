// SPDX-License-Identifier: BSL-1.0
#include "managers/frames.hpp"

#include <arpa/inet.h>
#include <endian.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <multiprocessing/errors.hpp>
#include <new>
#include <system_error>
#include <utility>

#include "memory/object.hpp"
#include "os/clock.hpp"
#include "os/socket.hpp"
#include "os/spin.hpp"

namespace multiprocessing::managers {
namespace {

constexpr std::uint32_t kLong = 0xffff'ffff;
constexpr std::uint64_t kShortMax = 0x7fff'ffff;
constexpr std::size_t kPayloadAt = 16;
constexpr std::size_t kFirstBytes = 4096;
constexpr std::size_t kKeptBytes = std::size_t{256} * 1024;
// The other side's word alone is worth no more memory than this.
constexpr std::size_t kReservedMax = std::size_t{64} << 20;
constexpr int kTimesToGiveWay = 3;

iovec part_of(const void* data, std::size_t bytes) noexcept {
  return {const_cast<void*>(data), bytes};
}

std::size_t padding_of(std::size_t size) noexcept { return (8 - size % 8) % 8; }

bool send_parts(int fd, std::span<const std::byte> payload,
                std::span<const memory::ObjectName> objects) {
  const std::uint64_t zeros = 0;
  const std::size_t padding = objects.empty() ? 0 : padding_of(payload.size());
  const std::uint64_t length = payload.size() + padding + objects.size_bytes();
  const std::uint32_t front =
      htonl(length > kShortMax ? kLong : static_cast<std::uint32_t>(length));
  const std::uint64_t longer = htobe64(length);
  iovec parts[] = {part_of(&front, sizeof front),
                   part_of(&longer, length > kShortMax ? sizeof longer : 0),
                   part_of(payload.data(), payload.size()), part_of(&zeros, padding),
                   part_of(objects.data(), objects.size_bytes())};
  try {
    return os::send_all(fd, parts);
  } catch (const std::system_error& error) {
    if (error.code().value() == ECONNRESET) return false;
    throw;
  }
}

// Whether it is there as soon as others have had the CPU, or after a few such moments: it may come
// from another CPU, too.
template <class Arrived> bool comes_first(const Arrived& arrived) noexcept {
  for (int times = 0; times < kTimesToGiveWay; ++times) {
    if (os::let_others_run(os::now_ns()) != os::Yield::kShort) return false;
    if (arrived() != 0) return true;
  }
  return false;
}

}  // namespace

bool send_frame(int fd, std::span<const std::byte> payload) { return send_parts(fd, payload, {}); }

bool send_frame(int fd, const detail::Encoder& payload) {
  if (payload.handles().empty()) return send_parts(fd, payload.bytes(), {});
  std::vector<memory::ObjectName> objects;
  objects.reserve(payload.handles().size());
  for (const detail::Handle& handle : payload.handles()) {
    objects.push_back(memory::name_of(handle));
  }
  return send_parts(fd, payload.bytes(), objects);
}

std::size_t frame_bytes(const detail::Encoder& payload) noexcept {
  return payload.size() + sizeof(memory::ObjectName) * payload.handles().size() + 8;
}

FrameReader::~FrameReader() { std::free(memory_); }

void FrameReader::reserve(std::size_t bytes) {
  if (bytes <= capacity_) return;
  auto* more = static_cast<std::byte*>(std::realloc(memory_, bytes));
  if (more == nullptr) throw std::bad_alloc();
  memory_ = more;
  capacity_ = bytes;
}

bool FrameReader::fill(int fd, std::size_t wanted) {
  while (end_ - begin_ < wanted) {
    if (end_ == capacity_) {
      const std::size_t needed = begin_ + wanted;
      reserve(std::min(needed, std::max(capacity_ * 2, std::min(needed, kReservedMax))));
    }
    ssize_t got = -1;
    const auto arrived = [&]() -> std::uint32_t {
      got = ::recv(fd, memory_ + end_, capacity_ - end_, MSG_DONTWAIT);
      return got >= 0 || errno != EAGAIN ? 1 : 0;
    };
    // The answer to a call is there sooner than this thread would fall asleep and wake. Among many
    // clients, who answers may just wait for this CPU: leaving it spares both a sleep.
    const bool found = looks_ ? patience_.look(arrived) : comes_first(arrived);
    if (!found) got = ::recv(fd, memory_ + end_, capacity_ - end_, 0);
    if (got > 0) {
      end_ += static_cast<std::size_t>(got);
    } else if (got == 0 || errno == ECONNRESET) {
      return false;
    } else if (errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "cannot receive");
    }
  }
  return true;
}

std::optional<std::span<const std::byte>> FrameReader::read(int fd, std::uint64_t limit) {
  // The payload begins at a multiple of 16, for which its length lies in front of one.
  constexpr std::size_t kLengthAt = kPayloadAt - sizeof(std::uint32_t);
  const std::size_t left = end_ - begin_;
  announced_ = 0;
  if (left == 0 && capacity_ > kKeptBytes) {
    std::free(memory_);
    memory_ = nullptr;
    capacity_ = 0;
  }
  reserve(kFirstBytes);
  if (left != 0) std::memmove(memory_ + kLengthAt, memory_ + begin_, left);
  begin_ = kLengthAt;
  end_ = begin_ + left;

  if (!fill(fd, sizeof(std::uint32_t))) return std::nullopt;
  std::uint32_t front = 0;
  std::memcpy(&front, memory_ + begin_, sizeof front);
  front = ntohl(front);
  std::uint64_t length = front;
  begin_ += sizeof front;
  if (front > kShortMax) {
    if (!fill(fd, sizeof length)) return std::nullopt;
    std::memcpy(&length, memory_ + begin_, sizeof length);
    length = be64toh(length);
    begin_ += sizeof length;
  }
  if ((front > kShortMax && front != kLong) || length > limit || length > SIZE_MAX / 4) {
    throw std::system_error(
        EMSGSIZE, std::generic_category(),
        fmt::format("a message of {} bytes is announced, and the limit is {}", length, limit));
  }
  announced_ = length;
  if (!fill(fd, length)) return std::nullopt;
  announced_ = 0;
  const std::span<const std::byte> payload(memory_ + begin_, length);
  begin_ += length;
  return payload;
}

bool FrameReader::skip_rest(int fd) noexcept {
  if (announced_ == 0) return false;
  std::uint64_t rest = std::exchange(announced_, 0) - (end_ - begin_);
  begin_ = end_ = 0;
  while (rest != 0) {
    const ssize_t got = ::recv(fd, memory_, std::min<std::uint64_t>(capacity_, rest), 0);
    if (got == 0 || (got < 0 && errno != EINTR)) return false;
    if (got > 0) rest -= static_cast<std::uint64_t>(got);
  }
  return true;
}

std::vector<detail::Handle> take_objects(std::span<const std::byte>& payload,
                                         std::uint32_t handles) {
  std::vector<detail::Handle> objects;
  if (handles == 0) return objects;
  constexpr std::size_t kBytes = sizeof(memory::ObjectName);
  if (handles > payload.size() / kBytes) {
    throw ValueError("a message names more shared objects than came with it");
  }
  const auto names = payload.last(handles * kBytes);
  payload = payload.first(payload.size() - names.size());
  objects.reserve(handles);
  for (std::size_t at = 0; at < names.size(); at += kBytes) {
    memory::ObjectName name = 0;
    std::memcpy(&name, names.data() + at, kBytes);
    objects.push_back(memory::adopt_if_alive(name));
    if (!objects.back())
      throw EOFError("who sent a shared object has ended, and the object with it");
  }
  return objects;
}

}  // namespace multiprocessing::managers
