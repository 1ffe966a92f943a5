// SPDX-License-Identifier: BSL-1.0
// A descriptor with one owner.
#pragma once
#include <unistd.h>

#include <utility>

namespace multiprocessing::os {

/// Closes what it owns. Made of descriptors that are close-on-exec from birth.
class Fd {
 public:
  Fd() noexcept = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept {
    // No retry on EINTR: Linux has freed the number by then, and a second close could hit the
    // descriptor another thread was given in between.
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;  // -1: none
};

}  // namespace multiprocessing::os
