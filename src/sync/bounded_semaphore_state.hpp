// SPDX-License-Identifier: BSL-1.0
// What a BoundedSemaphore is in shared memory: a semaphore that knows who took its permits.
//
// Each process that holds permits has an account. All accounts and the permits left add up to the
// bound, and so an account for each permit is enough for any number of processes.
//
// Death: a dead holder's account is closed by the next who finds too few permits, asks for the
// value, or wakes. A process that dies while it changes an account leaves the new account and the
// new value, as absolute numbers, in `redo_`; who gets the lock next writes them once more.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sync/semaphore_state.hpp"

namespace multiprocessing::sync {

class BoundedSemaphoreState : public SemaphoreState {
 public:
  explicit BoundedSemaphoreState(std::uint32_t bound) noexcept
      : SemaphoreState(bound, true),
        bound_(bound),
        capacity_(static_cast<std::uint32_t>(capacity_for(bound))) {}

  /// How many bytes one with that bound takes.
  [[nodiscard]] static std::size_t bytes_for(std::uint32_t bound) noexcept {
    return sizeof(BoundedSemaphoreState) + capacity_for(bound) * sizeof(Account);
  }

  bool take(std::uint32_t permits, Timeout timeout);
  /// Gives back: first what this process took, then what others took, the account that was opened
  /// first before the others. False, and nothing changed, if fewer permits are taken.
  bool give(std::uint32_t permits);
  /// Gives back what this process took, as many at most.
  void give_own(std::uint32_t permits);
  /// How many this process holds.
  [[nodiscard]] std::uint32_t own();
  [[nodiscard]] std::uint32_t left();
  [[nodiscard]] std::uint32_t bound() const noexcept { return bound_; }

 private:
  struct Account {
    Serial holder;
    std::uint32_t permits;  // 0: the account is closed
    std::uint64_t opened;   // counts up: who took first
  };
  struct Redo {
    std::atomic<std::uint32_t> armed;
    std::uint32_t index;
    Account account;
    std::uint32_t word;
    std::uint32_t reserved32;
  };

  static std::size_t capacity_for(std::uint32_t bound) noexcept;
  Account* accounts() noexcept { return reinterpret_cast<Account*>(this + 1); }
  bool enter(const os::Deadline& deadline);
  void set(std::uint32_t index, const Account& account, std::uint32_t word) noexcept;
  void apply_redo() noexcept;
  std::uint32_t reclaim() noexcept;
  [[nodiscard]] std::uint32_t find(Serial holder) noexcept;
  [[nodiscard]] std::uint32_t find_closed() noexcept;
  [[nodiscard]] std::uint32_t find_oldest() noexcept;
  [[nodiscard]] Serial someone() noexcept;
  bool try_take(Serial me, std::uint32_t permits);
  void give_from(std::uint32_t index, std::uint32_t permits) noexcept;
  void leave_after_giving() noexcept;

  // All below are guarded by lock_, as are the permits in word_; its sleepers' bit may be set, but
  // only under the lock too.
  std::uint32_t bound_;     // set once
  std::uint32_t capacity_;  // set once
  RawLock lock_{};
  std::uint32_t used_ = 0;  // no account from here on was ever opened
  std::uint64_t opened_ = 0;
  Redo redo_{};
};
static_assert(sizeof(BoundedSemaphoreState) == 136);

}  // namespace multiprocessing::sync
