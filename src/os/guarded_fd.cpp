// SPDX-License-Identifier: BSL-1.0
#include "os/guarded_fd.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace multiprocessing::os {
namespace {

// Of /dev/null; its number may have become another's if the program closed it.
std::atomic<int> kept{-1};

Fd open_nothing() noexcept { return Fd(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

bool is_nothing(int fd) noexcept {
  struct stat status {};
  return fd >= 0 && ::fstat(fd, &status) == 0 && S_ISCHR(status.st_mode) &&
         status.st_rdev == makedev(1, 3);
}

}  // namespace

void GuardedFd::keep_nothing() noexcept {
  int none = -1;
  if (kept.load(std::memory_order_relaxed) != none) return;
  Fd nothing = open_nothing();
  if (nothing && kept.compare_exchange_strong(none, nothing.get())) {
    static_cast<void>(nothing.release());
  }
}

void GuardedFd::close() noexcept {
  const std::uint32_t before = state_.fetch_or(kClosed, std::memory_order_acq_rel);
  if ((before & kClosed) != 0) return;
  if (before == 0) {
    free_number();
    return;
  }
  // In use: something harmless takes the number over, until the last use ends.
  const bool freed = (state_.fetch_add(1, std::memory_order_acq_rel) & kFreed) != 0;
  const Use held(this);
  if (freed) return;
  const int known = kept.load(std::memory_order_relaxed);
  const Fd opened = is_nothing(known) ? Fd() : open_nothing();
  if (const int nothing = opened ? opened.get() : known; is_nothing(nothing)) {
    ::dup3(nothing, fd_, O_CLOEXEC);
  }
}

void GuardedFd::free_number() noexcept {
  std::uint32_t expected = kClosed;
  // Several may come here: a use that began when it was closed already leaves as the last, too.
  if (state_.compare_exchange_strong(expected, kClosed | kFreed, std::memory_order_acq_rel)) {
    ::close(fd_);
  }
}

}  // namespace multiprocessing::os
