// SPDX-License-Identifier: BSL-1.0
#include "os/spin.hpp"

#include <sched.h>

#include <algorithm>
#include <atomic>

#include "os/clock.hpp"
#include "os/first_use.hpp"

namespace multiprocessing::os {

bool may_run_on_several_cpus() noexcept {
  static constinit FirstUse<const bool> several;
  return several.get([] {
    cpu_set_t set;
    return ::sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) > 1;
  });
}

namespace {

constexpr std::int64_t kAloneNs = 1'000;
constexpr std::int64_t kSwitchNs = 700;  // more than a system call
constexpr std::int64_t kTurnNs = 1'000'000;
// Pauses after a turn that was lost, in such turns.
constexpr std::int64_t kFactor = 4;
constexpr std::int64_t kMostPause = 64;
constexpr std::uint32_t kMostAway = 8;

// A pause takes 4 ns on one processor and 40 on another.
int pauses_of_a_round() noexcept {
  constexpr int kSample = 64;
  constexpr std::int64_t kRoundNs = 50;
  const std::int64_t begin = now_ns();
  for (int i = 0; i < kSample; ++i) cpu_relax();
  const std::int64_t sample_ns = std::max<std::int64_t>(now_ns() - begin, 1);
  return static_cast<int>(std::clamp<std::int64_t>(kRoundNs * kSample / sample_ns, 1, 16));
}

// Whether others had the CPU when it was last left to them. Then it is left to them at once: the
// other side may be among them, as it is where both may run on one CPU alone.
std::atomic<bool> others_here{false};

}  // namespace

// Where more processes wait for each other than there are CPUs, the other side may be one of those
// that run now. One that calculates keeps the CPU for its whole turn: where that comes again, the
// next try comes later and later, until such turns cost little.
Yield let_others_run(std::int64_t now) noexcept {
  static std::atomic<std::int64_t> not_before_ns{0};
  static std::atomic<std::int64_t> pause_ns{0};  // the last one
  const std::int64_t not_before = not_before_ns.load(std::memory_order_relaxed);
  if (now < not_before) return Yield::kNotTried;
  ::sched_yield();
  const std::int64_t away_ns = now_ns() - now;
  const bool others = away_ns > kSwitchNs;
  if (others != others_here.load(std::memory_order_relaxed)) {
    others_here.store(others, std::memory_order_relaxed);
  }
  if (away_ns < kTurnNs) return Yield::kShort;
  const std::int64_t last_ns = pause_ns.load(std::memory_order_relaxed);
  const std::int64_t next_ns = now - not_before < kFactor * last_ns
                                   ? std::min(kFactor * last_ns, kMostPause * away_ns)
                                   : kFactor * away_ns;
  pause_ns.store(next_ns, std::memory_order_relaxed);
  not_before_ns.store(now + next_ns, std::memory_order_relaxed);
  return Yield::kWholeTurn;
}

bool Spin::again() noexcept {
  static constinit FirstUse<const int> one;
  const int pauses = one.get(pauses_of_a_round);
  for (int i = 0; i < pauses; ++i) cpu_relax();
  // The clock costs as much as the pauses: ask it at every fourth round.
  if ((rounds_++ & 3U) != 0) return true;
  const std::int64_t now = now_ns();
  const bool first = begin_ns_ == 0;
  if (first) begin_ns_ = now;
  took_ns_ = now - begin_ns_;
  const bool alone = first ? !others_here.load(std::memory_order_relaxed) : took_ns_ <= kAloneNs;
  if (!alone && let_others_run(now) == Yield::kWholeTurn) return false;
  return took_ns_ < limit_ns_;
}

bool Spin::back_off() noexcept {
  away_ = std::clamp<std::uint32_t>(2 * away_, 1, kMostAway);
  for (std::uint32_t round = 0; round < away_; ++round) {
    if (!again()) return false;
  }
  return true;
}

}  // namespace multiprocessing::os
