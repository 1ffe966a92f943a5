// SPDX-License-Identifier: BSL-1.0
// Who a process is to the others, and how they learn that it died.
//
// Each process of the tree holds one slot of a table in the arena through a robust mutex, the
// slot's life word, which the kernel marks when the process ends, however it ends. A serial (slot
// and generation) names the process in every owner word; no pid is ever compared.
//
// Death: at any instruction. The life word then reads "owner died", the serial stays until another
// process takes the slot under a new generation.
// Fork: the child has no identity until it asks for one; exec drops the identity.
#pragma once
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "os/clock.hpp"
#include "os/futex.hpp"

namespace multiprocessing::memory {

/// Slot and generation of a process, 31 bits; 0 is nobody.
using Serial = std::uint32_t;
inline constexpr Serial kNobody = 0;
/// The owner of what belongs to the arena and to no process.
inline constexpr Serial kShared = 1;
/// Set in a word beside a serial where somebody sleeps on the word.
inline constexpr std::uint32_t kWaiters = 0x8000'0000U;

namespace identity_state {
// One word on a page that reads zero in a forked child; set by the first use of the arena, to the
// same by each thread that finds no serial in it. Null before, and in a child of fork(2).
extern std::atomic<std::atomic<std::uint32_t>*> self_word;
}  // namespace identity_state

/// Takes a slot for this process, also after a fork. Throws RuntimeError when the table is full.
Serial attach();

/// This process's serial; a load after the first call in a process.
inline Serial self() {
  const auto* word = identity_state::self_word.load(std::memory_order_acquire);
  const Serial serial = word == nullptr ? kNobody : word->load(std::memory_order_relaxed);
  return serial != kNobody ? serial : attach();
}

/// Whether this process has a serial, or one had that it was forked from: others have no arena.
[[nodiscard]] bool ever_attached() noexcept;

/// Whether the process of that serial has ended. Two loads, no system call.
[[nodiscard]] bool dead(Serial serial) noexcept;

/// What is known of a process, alive or dead; a slot taken again meanwhile leaves pid 0.
struct ProcessInfo {
  pid_t pid = 0;
  char name[52] = {};  ///< ends with a zero
};
[[nodiscard]] ProcessInfo who(Serial serial) noexcept;

/// The name that who() gives to the others; cut to 51 bytes. Takes no slot: a process without one
/// keeps the name for when it has one, and so do the children that it forks.
void set_own_name(std::string_view name);

/// What a lost wake-up costs.
inline constexpr std::int64_t kPollNs = 50'000'000;

/// Sleeps while `word` holds `expected`, until `deadline`, the death of `watched` (kNobody: of
/// no one in particular) or the poll interval, whichever is first. May return early: look again.
void wait_on(os::FutexWord& word, std::uint32_t expected, Serial watched,
             const os::Deadline& deadline, std::int64_t poll_ns = kPollNs) noexcept;

/// Sleeps until the process has ended or the deadline passed; says whether it has ended.
bool wait_for_death(Serial serial, const os::Deadline& deadline) noexcept;

}  // namespace multiprocessing::memory
