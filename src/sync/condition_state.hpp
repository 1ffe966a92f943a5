// SPDX-License-Identifier: BSL-1.0
// What a Condition is in shared memory: a lock's offset and a table of who waits.
//
// The table begins in the condition and goes on in pages, objects of their own that the condition
// keeps alive; it grows with the most waiters there ever were at a time. An entry is a waiter's
// from the store of its serial to the store of 0, and its state is the word the waiter sleeps on.
//
// Death: a dead waiter's entry is freed by the next who looks. If it had been notified and not yet
// returned, its notification goes to the waiter that has waited longest; both stores of that are in
// `redo_`. All waiters look every poll interval, at the lock too: where a holder died, they wake.
// A process that dies between a page's pin and its link leaves a page that lives as long as the
// condition.
#pragma once
#include <atomic>
#include <cstdint>

#include "memory/object.hpp"
#include "os/clock.hpp"
#include "sync/lock_state.hpp"
#include "sync/lock_word.hpp"
#include "sync/look.hpp"

namespace multiprocessing::sync {

struct Waiter {
  enum State : std::uint32_t { kWaiting = 1, kNotified = 2 };
  std::atomic<Serial> process;  ///< 0: the entry is free
  os::FutexWord state;
  std::uint64_t ticket;  ///< who has waited longest has the smallest
};
static_assert(sizeof(Waiter) == 16);

struct WaiterPage : memory::ObjectHeader {
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kNone;
  static constexpr std::size_t kEntries = 91;

  std::atomic<memory::Offset> next;
  Waiter waiters[kEntries];
};
static_assert(sizeof(WaiterPage) == 1528);

class ConditionState : public memory::ObjectHeader {
 public:
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kCondition;

  /// Keeps `lock` alive.  REQUIRES: this process builds the object that this is.
  explicit ConditionState(LockState& lock);

  [[nodiscard]] LockState& lock() noexcept;
  /// THROWS: AssertionError without the lock; OwnerDiedError where the lock's holder died, then
  /// the lock is not held; what `look` throws: the same, and a notification goes to another;
  /// MemoryError. `let_go`: set as soon as the lock is let go; what is thrown before leaves it
  /// held.
  bool wait(const os::Deadline& deadline, const Look& look = {}, bool* let_go = nullptr);
  /// Wakes the `count` living waiters that have waited longest. THROWS: AssertionError.
  void notify(std::uint32_t count);
  void notify_all();

  static void finalize(memory::ObjectHeader& object);

 private:
  static constexpr std::size_t kInline = 9;

  struct Redo {
    std::atomic<memory::Offset> from;  // a dead waiter's entry; 0: nothing to be redone
    memory::Offset to;                 // a living one's, 0: nobody waits
  };

  template <class Visit> void each_waiter(Visit visit);
  void require_lock(const char* what);
  void enter();
  Waiter& join();
  Waiter& free_entry();
  void add_page();
  [[nodiscard]] Waiter* longest_waiting();
  static void notify(Waiter& waiter) noexcept;
  void pass_on();
  void hand_on(Waiter& waiter);
  void apply_redo();
  [[nodiscard]] bool dead_one_was_notified();
  bool leave(Waiter& waiter);
  void leave_for_another(Waiter& waiter);
  void sleep(Waiter& waiter, std::uint32_t deaths, const os::Deadline& deadline, const Look& look);
  std::uint32_t release_lock(Waiter& waiter);

  std::atomic<memory::Offset> lock_at_;
  std::atomic<memory::Offset> pages_{0};
  RawLock table_{};  // guards all that follows; a waiter's state is also read without it
  std::uint64_t tickets_ = 0;
  Redo redo_{};
  Waiter waiters_[kInline]{};
};
static_assert(sizeof(ConditionState) == 256);

}  // namespace multiprocessing::sync
