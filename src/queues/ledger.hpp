// SPDX-License-Identifier: BSL-1.0
// Who took which number of items of a JoinableQueue and has not marked them as done.
//
// Unfinished items are those ever put less those done; each process has an account of what it took
// and did not mark, so that the items of a dead one can be written off and told. All but the gate
// is guarded by the consumers' lock. A change of several words is first noted in `redo` with the
// values that the words shall have: whoever finds it armed after a death stores them again.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "memory/identity.hpp"
#include "memory/layout.hpp"
#include "queues/layout.hpp"

namespace multiprocessing::queues {

struct Ledger {
  /// Notes that this process is about to take the item at `head`; took() keeps it.
  void will_take(QueueObject& queue, Place head) noexcept;
  void took() noexcept { apply(); }

  /// Marks one item as done. False: all that were `put` are done already.
  bool mark_done(std::uint32_t put) noexcept;

  /// Writes off items that this process had taken for another, which has ended; none that somebody
  /// has marked meanwhile.
  void lose(std::uint32_t items, pid_t pid, std::string_view name, std::uint32_t put) noexcept;

  /// Writes off what dead processes had taken.
  void write_off_dead(std::uint32_t put) noexcept;

  [[nodiscard]] std::uint32_t unfinished(std::uint32_t put) const noexcept {
    return put - done.load(std::memory_order_relaxed);
  }
  /// Whether there is something to write off. Needs no lock.
  [[nodiscard]] bool has_dead_taker() const noexcept;

  /// Finishes or forgets what a dead holder of the lock had begun.
  void settle(Place head) noexcept;

  sync::Gate gate;  ///< who waits in join()
  std::atomic<std::uint32_t> done;
  std::atomic<std::uint32_t> lost;  ///< items written off, ever
  std::atomic<std::uint32_t> told;  ///< of these, how many a join() has told
  std::int32_t lost_pid;            ///< whose they were last
  char lost_name[52];

 private:
  enum Armed : std::uint32_t { kNo, kAlways, kIfTaken };

  // account := serial:32 count:32
  using Account = std::atomic<std::uint64_t>;
  static constexpr std::uint64_t account(memory::Serial serial, std::uint32_t count) noexcept {
    return count == 0 ? 0 : std::uint64_t{serial} << 32 | count;
  }
  static constexpr memory::Serial serial_in(std::uint64_t value) noexcept {
    return static_cast<memory::Serial>(value >> 32);
  }
  static constexpr std::uint32_t count_in(std::uint64_t value) noexcept {
    return static_cast<std::uint32_t>(value);
  }

  /// Calls visit(slot, account) for each account that holds something, until it says true.
  template <class Visit> bool visit_accounts(const Visit& visit) const;
  void set_used(std::size_t slot, bool used) noexcept;
  void note(std::size_t slot, std::uint64_t value, std::uint32_t new_done,
            std::uint32_t new_lost) noexcept;
  void arm_and_apply() noexcept;
  void apply() noexcept;
  void write_off(std::size_t slot, std::uint32_t put) noexcept;
  [[nodiscard]] std::size_t account_to_relieve() const noexcept;

  struct {
    std::atomic<std::uint32_t> armed;
    std::atomic<std::uint32_t> slot;
    std::atomic<std::uint64_t> value;
    std::atomic<std::uint32_t> done;
    std::atomic<std::uint32_t> lost;
    PlaceWord at;  ///< kIfTaken: void unless the consumers' place has moved on from here
  } redo_;
  Account accounts_[memory::kSlots];
  // A bit for each account that is not empty, and maybe for some that are.
  std::atomic<std::uint64_t> used_[memory::kSlots / 64];
};

struct JoinableQueueObject : QueueObject {
  explicit JoinableQueueObject(std::uint32_t limit) noexcept
      : QueueObject(Flavour::kJoinable, limit) {}
  Ledger ledger;
};

/// How many items were ever put. REQUIRES: the consumers' lock.
[[nodiscard]] inline std::uint32_t put_so_far(QueueObject& queue) noexcept {
  const Place tail = queue.producers.place.load(std::memory_order_acquire);
  queue.consumers.other.store(tail);
  return tail.count;
}

inline Ledger* QueueObject::ledger() noexcept {
  return flavour == Flavour::kJoinable ? &static_cast<JoinableQueueObject*>(this)->ledger : nullptr;
}

}  // namespace multiprocessing::queues
