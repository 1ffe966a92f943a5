// SPDX-License-Identifier: BSL-1.0
#include "process/start_channel.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <span>

#include "os/fresh_image.hpp"
#include "os/socket.hpp"
#include "process/tree.hpp"

namespace multiprocessing::process {
namespace {

// Guarded by the process lock, which is held across forks. Where they are more, children keep the
// further ones.
struct OpenEnds {
  std::array<int, 126> fds;
  std::size_t count;
};
constinit OpenEnds open_ends{};

// REQUIRES: the lock is held.
void note_open(int fd) noexcept {
  if (open_ends.count < open_ends.fds.size()) open_ends.fds[open_ends.count++] = fd;
}

// REQUIRES: the lock is held.
void note_closed(int fd) noexcept {
  const std::span open = std::span(open_ends.fds).first(open_ends.count);
  const auto found = std::ranges::find(open, fd);
  if (found == open.end()) return;
  *found = open.back();
  --open_ends.count;
}

}  // namespace

// REQUIRES: the lock is held.
ChannelEnd::ChannelEnd(os::Fd fd) noexcept : fd_(fd.release()), maker_(generation()) {
  note_open(fd_);
}

ChannelEnd& ChannelEnd::operator=(ChannelEnd&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::exchange(other.fd_, -1);
  maker_ = other.maker_;
  return *this;
}

void ChannelEnd::close() noexcept {
  const int fd = std::exchange(fd_, -1);
  // In a child the number may be another's by now.
  if (fd < 0 || maker_ != generation()) return;
  const std::lock_guard guard(lock());
  note_closed(fd);
  ::close(fd);
}

std::pair<ChannelEnd, ChannelEnd> open_start_channel() {
  const std::lock_guard guard(lock());
  auto [ours, theirs] = os::packet_pair();
  theirs = os::ready_to_hand_down(std::move(theirs));
  return {ChannelEnd(std::move(ours)), ChannelEnd(std::move(theirs))};
}

void close_ends_of_the_parent() noexcept {
  for (std::size_t i = 0; i < open_ends.count; ++i) ::close(open_ends.fds[i]);
  if (open_ends.count != 0) open_ends.count = 0;
}

}  // namespace multiprocessing::process
