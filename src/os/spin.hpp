// SPDX-License-Identifier: BSL-1.0
// Busy waiting that is bounded by time and given up where it cannot help.
#pragma once
#include <cstdint>

namespace multiprocessing::os {

/// Tells the CPU that this is a spin loop.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield" ::: "memory");
#endif
}

/// By its affinity; asked once, and inherited by forked children. Where it may not, a process of
/// the same affinity cannot change what this one spins on.
[[nodiscard]] bool may_run_on_several_cpus() noexcept;

/// How the CPU was left to others.
enum class Yield : std::uint8_t {
  kNotTried,  ///< one of them kept it for its whole turn lately
  kShort,     ///< there were none, or all of them wait again
  kWholeTurn  ///< one kept it for its whole turn: better sleep, for who is woken comes first
};
/// Leaves the CPU to others that could run on it: who is waited for may be among them.
Yield let_others_run(std::int64_t now_ns) noexcept;

/// Bounded spinning: `while (!ready() && spin.again()) {}`.
class Spin {
 public:
  /// Spins for about `limit_ns` after the first call.
  explicit Spin(std::int64_t limit_ns) noexcept : limit_ns_(limit_ns) {}
  /// Pauses for some 20 to 100 ns. Lets others run where it takes longer than a microsecond, and at
  /// once where there were some the last time. False: the time is up, go to sleep.
  bool again() noexcept;
  /// The same, for twice as long as the last time, up to half a microsecond: each look takes the
  /// cache line from whoever is at work on it.
  bool back_off() noexcept;
  /// How long it has been, to within a fifth of a microsecond.
  [[nodiscard]] std::int64_t took_ns() const noexcept { return took_ns_; }

 private:
  std::int64_t limit_ns_;
  std::int64_t begin_ns_ = 0;
  std::int64_t took_ns_ = 0;
  std::uint32_t rounds_ = 0;
  std::uint32_t away_ = 0;  // rounds, the last time
};

}  // namespace multiprocessing::os
