// SPDX-License-Identifier: BSL-1.0
// How long a call may block: any std::chrono duration, or `forever`.
#pragma once
#include <chrono>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace multiprocessing {

/// The type of `forever`, Python's `None` as a timeout.
struct Forever {
  explicit constexpr Forever() = default;
};

/// Waits without a limit; the default of every timeout.
inline constexpr Forever forever{};

/// A limit in time. Made of any duration or of `forever`; never of a bare number, so that
/// seconds and milliseconds cannot be mixed up. A negative duration counts as zero.
class Timeout {
 public:
  constexpr Timeout() noexcept = default;
  // The constructors are implicit: a timeout is written as it is meant, `q.get(2s)`.
  constexpr Timeout(Forever) noexcept {}

  template <class Rep, class Period>
  constexpr Timeout(std::chrono::duration<Rep, Period> d) noexcept : ns_(clamp(d)) {}

  /// Nanoseconds, at least 0; meaningless when is_forever().
  [[nodiscard]] constexpr std::int64_t nanoseconds() const noexcept { return ns_; }
  [[nodiscard]] constexpr bool is_forever() const noexcept { return ns_ < 0; }

 private:
  template <class Rep, class Period>
  static constexpr std::int64_t clamp(std::chrono::duration<Rep, Period> d) noexcept {
    // Compared as floating seconds first: hours::max() as nanoseconds would overflow.
    const double seconds = std::chrono::duration<double>(d).count();
    if (!(seconds > 0)) return 0;
    if (seconds > 9.0e9) return std::numeric_limits<std::int64_t>::max() / 2;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(d).count();
  }

  std::int64_t ns_ = -1;  // -1: no limit
};

namespace detail {
/// A parameter that accepts a bool exactly: `q.get(5)` shall not compile.
template <class T>
concept ExactlyBool = std::is_same_v<T, bool>;
}  // namespace detail

}  // namespace multiprocessing
