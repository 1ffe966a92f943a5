// SPDX-License-Identifier: BSL-1.0
// What a Lock or an RLock is in shared memory.
//
// Death: the word of a dead holder stands until the next acquirer. That one notes who died and
// seals the word, and wakes all who sleep on it; from then on nobody gets the lock until a repair.
// A process that dies while it notes or repairs leaves the lock as it found it. A recovering lock
// is not sealed but taken over.
#pragma once
#include <atomic>
#include <cstdint>
#include <multiprocessing/timeout.hpp>
#include <string_view>

#include "memory/object.hpp"
#include "sync/dead_process.hpp"
#include "sync/lock_word.hpp"
#include "sync/look.hpp"
#include "sync/lost_holds.hpp"
#include "sync/thread_name.hpp"

namespace multiprocessing::sync {

class LockState : public memory::ObjectHeader {
 public:
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kLock;

  LockState(bool recursive, bool recovering) noexcept
      : recursive_(recursive), recovering_(recovering) {}

  /// False: the time is over. THROWS: OwnerDiedError; then the lock is not held.
  bool acquire(Timeout timeout) {
    if (!take(timeout)) return false;
    if (!lost_here.none()) [[unlikely]]
      lost_here.note_acquired(this);
    return true;
  }

  /// Nothing where this thread's hold was lost by acquire_all().
  /// THROWS: ValueError for a Lock that nobody holds, AssertionError for an RLock that another
  /// thread or nobody holds, OwnerDiedError for a Lock whose holder died.
  void release() {
    if (!lost_here.none() && lost_here.take_release(this)) [[unlikely]]
      return;
    let_go();
  }

  /// By this process; an RLock: by this thread.
  [[nodiscard]] bool held_here() const {
    const Serial me = memory::self();
    return recursive_ ? holder_.load(std::memory_order_relaxed) == thread_name(me)
                      : owner_in(word_.load(std::memory_order_relaxed)) == me;
  }
  [[nodiscard]] bool held() const noexcept { return word_.load(std::memory_order_relaxed) != 0; }
  /// Its holder died, and nobody has repaired it or taken it over.
  [[nodiscard]] bool broken() const noexcept;
  /// Changes with each death of a holder that somebody came to know of.
  [[nodiscard]] std::uint32_t deaths() const noexcept { return deaths_.load(); }
  [[nodiscard]] bool recursive() const noexcept { return recursive_; }
  [[nodiscard]] const char* kind_name() const noexcept { return recursive_ ? "RLock" : "Lock"; }

  /// Gives up every level and says how many they were.  REQUIRES: held_here().
  std::uint32_t release_all();
  /// Takes back what release_all() gave up; waits without a limit. THROWS: OwnerDiedError, and what
  /// `look` throws; then the next so many releases of this thread are those of the lost levels.
  void acquire_all(std::uint32_t levels, const Look& look = {});

  // For a process that holds it in the name of another that has no part in the arena.

  /// Has an RLock that this process holds belong to the thread of that number.
  void belong_to(std::uint32_t number) noexcept {
    holder_.store(thread_name(memory::self(), number), std::memory_order_relaxed);
  }
  /// How many levels acquire_all() lost for this thread, which then has not lost them.
  static std::uint32_t take_lost(const LockState& lock) noexcept {
    return lost_here.take_all(&lock);
  }
  /// Its hold ends as by a death, of that process. Nothing where this process does not hold it.
  void die_holding(std::int32_t pid, std::string_view name);

  /// Runs `repair` (may be null) if the holder died, with everybody else kept out, and frees the
  /// lock if it returns. Does nothing where nobody died.
  void make_consistent(void (*repair)(void*), void* context, const Look& look = {});

 private:
  // What this thread lost.
  static constinit thread_local LostHolds<const LockState*> lost_here;

  bool take(Timeout timeout) {
    const Serial me = memory::self();
    if (!recursive_) return take_if_free(word_, me) || acquire_slowly(me, timeout);
    return enter_again(me) || acquire_recursive(me, timeout);
  }
  void let_go() {
    std::uint32_t mine = memory::self();
    // Fails where somebody sleeps, too.
    if (!recursive_ && word_.compare_exchange_strong(mine, 0, std::memory_order_seq_cst)) return;
    release_slowly();
  }
  bool enter_again(Serial me) noexcept {
    if (holder_.load(std::memory_order_relaxed) != thread_name(me)) return false;
    depth_.store(depth_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return true;
  }
  static bool broken(std::uint32_t word) noexcept;
  bool acquire_recursive(Serial me, Timeout timeout);
  bool acquire_slowly(Serial me, Timeout timeout);
  void release_slowly();
  void release_recursive(std::uint32_t levels);
  void note_death(Serial dead_owner);
  bool take_over(Serial me, Serial dead_owner);
  void warn_of_death() const;
  void repair_taken_over(void (*repair)(void*), void* context);
  [[noreturn]] void throw_owner_died();

  os::FutexWord word_{0};
  // Of an RLock: its levels and the name of the thread that holds it. Written by the holder only,
  // after it took the word and before it frees it; a dead holder's name is nobody else's.
  std::atomic<std::uint32_t> depth_{0};
  std::atomic<std::uint64_t> holder_{0};
  bool recursive_;
  bool recovering_;
  RawLock notice_{};  // guards dead_holder_ and the change of the word from dead to sealed or taken
  RawLock repair_{};  // held by who repairs
  DeadProcess dead_holder_{};
  // Counted before the word changes: who sees the lock free again sees the count.
  std::atomic<std::uint32_t> deaths_{0};
  [[maybe_unused]] std::uint32_t reserved32_{};
  [[maybe_unused]] std::uint64_t reserved_[4]{};
};
static_assert(sizeof(LockState) == 192);

}  // namespace multiprocessing::sync
