// SPDX-License-Identifier: BSL-1.0
// The packet socket between a process and one that it starts in a fresh image.
//
// Fork: a child keeps no end that its parent had open, and so hides nobody's death from the one at
// the other end. Of a raw clone, which runs no fork handlers, that is not true, nor of a copy that
// the image's own program made: so nobody waits for the channel alone, see peer.hpp.
#pragma once
#include <utility>

#include "os/fd.hpp"

namespace multiprocessing::process {

/// One end in the process that made it. In a forked child it is closed already, and destroying it
/// there does nothing. No call is made under the process lock.
class ChannelEnd {
 public:
  ChannelEnd() noexcept = default;
  ChannelEnd(ChannelEnd&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), maker_(other.maker_) {}
  ChannelEnd& operator=(ChannelEnd&& other) noexcept;
  ~ChannelEnd() { close(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  void close() noexcept;

 private:
  friend std::pair<ChannelEnd, ChannelEnd> open_start_channel();
  explicit ChannelEnd(os::Fd fd) noexcept;

  int fd_ = -1;         // -1: none
  unsigned maker_ = 0;  // generation() of the process that made it
};

/// Two connected ends: this process's, and the one to hand down, which nobody else gets a copy of.
/// THROWS: std::system_error.
[[nodiscard]] std::pair<ChannelEnd, ChannelEnd> open_start_channel();

/// In a forked child: closes its parent's. REQUIRES: the process lock is held.
void close_ends_of_the_parent() noexcept;

}  // namespace multiprocessing::process
