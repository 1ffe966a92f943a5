// SPDX-License-Identifier: BSL-1.0
// A descriptor that several threads use while any of them may close it.
//
// Its number stays taken until the last call that uses it has returned, so no call ever hits a
// descriptor that was given the same number. What it refers to is let go at close(); a thread that
// sleeps in the kernel at that moment keeps it until it wakes. This works without a free number,
// too, by a descriptor of /dev/null that each process with such a descriptor keeps.
#pragma once
#include <atomic>
#include <cstdint>
#include <utility>

#include "os/fd.hpp"

namespace multiprocessing::os {

class GuardedFd {
 public:
  explicit GuardedFd(Fd fd) noexcept : fd_(fd.release()) { keep_nothing(); }
  ~GuardedFd() { close(); }
  GuardedFd(const GuardedFd&) = delete;
  GuardedFd& operator=(const GuardedFd&) = delete;

  /// A right to use the number; none if it is closed.
  class Use {
   public:
    Use(Use&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Use& operator=(Use&&) = delete;
    ~Use() {
      if (of_ != nullptr) of_->leave();
    }
    explicit operator bool() const noexcept { return of_ != nullptr; }
    [[nodiscard]] int fd() const noexcept { return of_->fd_; }

   private:
    friend class GuardedFd;
    explicit Use(GuardedFd* of) noexcept : of_(of) {}
    GuardedFd* of_;
  };

  [[nodiscard]] Use use() noexcept {
    if ((state_.fetch_add(1, std::memory_order_acquire) & kClosed) == 0) [[likely]] {
      return Use(this);
    }
    leave();
    return Use(nullptr);
  }

  [[nodiscard]] bool closed() const noexcept {
    return (state_.load(std::memory_order_acquire) & kClosed) != 0;
  }
  void close() noexcept;

 private:
  static constexpr std::uint32_t kClosed = 0x8000'0000U;
  static constexpr std::uint32_t kFreed = 0x4000'0000U;

  void leave() noexcept {
    if (state_.fetch_sub(1, std::memory_order_acq_rel) == (kClosed | 1)) free_number();
  }
  void free_number() noexcept;
  static void keep_nothing() noexcept;

  std::atomic<std::uint32_t> state_{0};  // kClosed, kFreed and the number of uses
  const int fd_;
};

}  // namespace multiprocessing::os
