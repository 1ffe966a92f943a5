// SPDX-License-Identifier: BSL-1.0
// What a Barrier is in shared memory: a table of parties.
//
// A party enters as kWaiting under the lock and sleeps on `turn_`. Who ends the round, by arriving
// last, by giving up, or by finding a dead party, writes the same outcome into all that wait; each
// reads its own and frees its entry. The table has room for two rounds, because those of the last
// round may not have left yet when the next one begins.
//
// Death: a dead party that waits breaks the barrier, as soon as another party looks: each watches
// the one that came before it and looks at all of them every poll interval. A process that dies
// while it writes the outcome leaves it in `redo_`.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <multiprocessing/timeout.hpp>
#include <string>

#include "memory/object.hpp"
#include "os/clock.hpp"
#include "sync/dead_process.hpp"
#include "sync/lock_word.hpp"
#include "sync/look.hpp"

namespace multiprocessing::sync {

/// What the last party does before all go on.
struct BarrierAction {
  void (*run)(void*) = nullptr;
  void* context = nullptr;
};

class BarrierState : public memory::ObjectHeader {
 public:
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kBarrier;

  BarrierState(std::uint32_t parties, bool has_action, Timeout timeout) noexcept;

  /// How many bytes one for so many parties takes.
  [[nodiscard]] static std::size_t bytes_for(std::uint32_t parties) noexcept {
    return sizeof(BarrierState) + std::size_t{2} * parties * sizeof(Party);
  }

  /// The number of the arrival, from 0. THROWS: BrokenBarrierError, what the action throws,
  /// RuntimeError if it came last and has not the action; what `look` throws, and the barrier
  /// breaks.
  std::uint32_t wait(Timeout timeout, const BarrierAction& action, const Look& look = {});
  void reset();
  void abort();
  [[nodiscard]] bool broken();
  [[nodiscard]] std::uint32_t waiting();
  [[nodiscard]] std::uint32_t parties() const noexcept { return parties_; }
  [[nodiscard]] Timeout timeout() const noexcept;

 private:
  enum State : std::uint32_t { kFree, kWaiting, kPassed, kBroken };
  enum Phase : std::uint32_t { kFilling, kActing, kBarrierBroken };
  enum Reason : std::uint32_t { kAborted, kReset, kTimedOut, kDied, kLeft, kActionFailed };

  struct Party {
    std::atomic<Serial> process;
    os::FutexWord state;
    std::atomic<std::uint32_t> arrival;  // others may read one that is just replaced
    std::uint32_t reserved32;
  };
  struct Redo {
    std::atomic<std::uint32_t> armed;
    State outcome;
    Phase phase;
  };

  Party* table() noexcept { return reinterpret_cast<Party*>(this + 1); }
  template <class Visit> void each_party(Visit visit);
  bool enter(const os::Deadline& deadline);
  void apply_redo() noexcept;
  void end_round(State outcome, Phase phase) noexcept;
  void break_for(Reason reason) noexcept;
  void look_for_dead();
  [[nodiscard]] bool somebody_died() noexcept;
  [[nodiscard]] std::uint32_t count_waiting() noexcept;
  [[nodiscard]] Party* free_entry() noexcept;
  Party& arrive(const os::Deadline& deadline, const Look& look);
  void wait_for_turn(std::uint32_t turn, const os::Deadline& deadline);
  void run(Party& self, const BarrierAction& action);
  void sleep(Party& self, const os::Deadline& deadline, const Look& look);
  void give_up(Party& self, Reason reason);
  void leave(Party& self) noexcept;
  [[nodiscard]] Serial one_before(const Party& self) noexcept;
  [[noreturn]] void throw_broken();

  // Guarded by lock_, but for turn_, the parties' words and what is set once.
  RawLock lock_{};
  os::FutexWord turn_{0};    // counts the rounds that ended, and entries that became free
  std::uint32_t parties_;    // set once
  bool has_action_;          // set once
  std::int64_t timeout_ns_;  // set once; -1: none
  Phase phase_ = kFilling;
  Reason reason_ = kAborted;
  Redo redo_{};
  std::atomic<std::uint32_t> crowded_{0};  // somebody waits for a free entry
  DeadProcess dead_party_{};
};
static_assert(sizeof(BarrierState) == 168);

}  // namespace multiprocessing::sync
