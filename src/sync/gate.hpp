// SPDX-License-Identifier: BSL-1.0
// Where processes sleep until something may have changed; waking costs nothing when nobody sleeps.
//
// word := epoch:16 sleepers:16     every wake begins a new epoch, so that a sleeper on its way into
//                                  the kernel notices it
//
// Death: a killed sleeper leaves the count too high, which costs the next wake one system call and
// is then repaired. A killed waker, or a sleeper killed after it was woken, costs the other
// sleepers a poll interval: 50 ms until the first one looks, half a second until all have.
#pragma once
#include <cstdint>

#include "os/clock.hpp"
#include "os/futex.hpp"
#include "os/patience.hpp"

namespace multiprocessing::sync {

class Gate {
 public:
  /// Sleeps until `ready()` or the deadline; says whether it was ready when it was last asked.
  template <class Ready> bool wait(const Ready& ready, const os::Deadline& deadline) noexcept {
    for (;;) {
      const std::uint32_t ticket = enter();
      if (ready()) return leave(ticket), true;
      if (deadline.passed()) return leave(ticket), false;
      if (!sleep(ticket, deadline)) leave(ticket);
      if (ready()) return true;
    }
  }

  /// The same for `available()`, a number that shall not be 0; looks before it sleeps.
  template <class Available>
  bool wait(os::Patience& patience, const Available& available,
            const os::Deadline& deadline) noexcept {
    if (deadline.at_ns() == 0) return available() != 0;
    return patience.look(available) || wait([&]() noexcept { return available() != 0; }, deadline);
  }

  /// Not below the true number.
  [[nodiscard]] std::uint32_t sleepers() const noexcept { return sleepers(word_.load()); }

  /// Call after a change, with a full barrier between the two.
  void notify_one() noexcept {
    if (sleepers(word_.load(std::memory_order_seq_cst)) != 0) wake_one();
  }
  void notify_all() noexcept {
    if (sleepers(word_.load(std::memory_order_seq_cst)) != 0) wake_all();
  }

 private:
  static constexpr std::uint32_t kSleepers = 0xffff;
  static constexpr std::uint32_t kEpoch = kSleepers + 1;
  static constexpr std::uint32_t sleepers(std::uint32_t word) noexcept { return word & kSleepers; }
  static constexpr std::uint32_t epoch(std::uint32_t word) noexcept { return word & ~kSleepers; }

  std::uint32_t enter() noexcept;
  bool sleep(std::uint32_t ticket, const os::Deadline& deadline) noexcept;
  void leave(std::uint32_t ticket) noexcept;
  void wake_one() noexcept;
  void wake_all() noexcept;

  os::FutexWord word_;
};
static_assert(sizeof(Gate) == 4);

}  // namespace multiprocessing::sync
