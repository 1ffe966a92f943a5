// SPDX-License-Identifier: BSL-1.0
#include "os/guarded_fd.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace multiprocessing::os {

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
  const Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (nothing) ::dup3(nothing.get(), fd_, O_CLOEXEC);
}

void GuardedFd::free_number() noexcept {
  std::uint32_t expected = kClosed;
  // Several may come here: a use that began when it was closed already leaves as the last, too.
  if (state_.compare_exchange_strong(expected, kClosed | kFreed, std::memory_order_acq_rel)) {
    ::close(fd_);
  }
}

}  // namespace multiprocessing::os
