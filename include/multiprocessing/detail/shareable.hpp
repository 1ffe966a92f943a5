// SPDX-License-Identifier: BSL-1.0
// What may lie in memory that several processes see: data that means the same in each of them.
#pragma once
#include <multiprocessing/detail/aggregate.hpp>
#include <multiprocessing/detail/message_traits.hpp>

#include <array>
#include <atomic>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstddef>
#include <optional>
#include <type_traits>
#include <utility>

namespace multiprocessing::detail {

template <class T> consteval bool shareable();

template <class... Fields> consteval bool fields_shareable(Types<Fields...> /*fields*/) {
  return sizeof...(Fields) != 0 && (... && shareable<Fields>());
}

template <class T> consteval bool aggregate_shareable() {
  if constexpr (std::is_empty_v<T>) return true;
  if constexpr (!std::is_aggregate_v<T> || std::is_union_v<T> || HasBaseClass<T>) return false;
  // clang-format off
  else return fields_shareable(FieldTypes<T>{});
  // clang-format on
}

/// Classes that are no aggregates; a program's own say it by is_bitwise.
template <class T> struct StandardData {
  static constexpr bool kShareable = is_bitwise<T> || aggregate_shareable<T>();
};
template <class T, std::size_t N> struct StandardData<std::array<T, N>> {
  static constexpr bool kShareable = shareable<T>();
};
template <class T> struct StandardData<std::complex<T>> {
  static constexpr bool kShareable = true;
};
template <std::size_t N> struct StandardData<std::bitset<N>> {
  static constexpr bool kShareable = true;
};
template <class Rep, class Period> struct StandardData<std::chrono::duration<Rep, Period>> {
  static constexpr bool kShareable = shareable<Rep>();
};
template <class Clock, class Duration>
struct StandardData<std::chrono::time_point<Clock, Duration>> {
  static constexpr bool kShareable = shareable<Duration>();
};
template <class A, class B> struct StandardData<std::pair<A, B>> {
  static constexpr bool kShareable = shareable<A>() && shareable<B>();
};
template <class T> struct StandardData<std::optional<T>> {
  static constexpr bool kShareable = shareable<T>();
};
template <class T> struct StandardData<std::atomic<T>> {
  // One that needs a lock keeps it in the process's own memory.
  static constexpr bool kShareable = std::atomic<T>::is_always_lock_free && shareable<T>();
};

/// Whether a T means the same in every process.
template <class T> consteval bool shareable() {
  if constexpr (std::is_const_v<T> || std::is_volatile_v<T>) {
    return shareable<std::remove_cv_t<T>>();
  } else if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    return true;
  } else if constexpr (std::is_array_v<T>) {
    return shareable<std::remove_all_extents_t<T>>();
  } else if constexpr (std::is_class_v<T> || std::is_union_v<T>) {
    return std::is_trivially_destructible_v<T> && StandardData<T>::kShareable;
  } else {
    return false;
  }
}

/// Does not compile for what cannot be shared, and says what to write instead.
template <class T> consteval void check_shareable() {
  static_assert(!std::is_pointer_v<T> && !std::is_reference_v<T> && !std::is_member_pointer_v<T>,
                "multiprocessing: a pointer or reference means nothing in another process. Share "
                "the data itself, or an index into an mp::Array.");
  static_assert(!std::is_const_v<T> && !std::is_volatile_v<T> && !std::is_array_v<T>,
                "multiprocessing: name the plain type: no const, no volatile, and mp::Array<T> "
                "instead of T[n].");
  static_assert(alignof(T) <= 64, "multiprocessing: shared data is aligned to 64 bytes at most.");
  if constexpr (!std::is_pointer_v<T> && !std::is_reference_v<T>) {
    static_assert(
        shareable<T>(),
        "multiprocessing: this type cannot lie in shared memory: some of it may be a pointer "
        "(std::string and containers hold one), or needs a destructor. Use numbers, enums, "
        "aggregates and std::array of such; for a trivially copyable class that is none of these "
        "and holds no pointer, write template <> inline constexpr bool mp::is_bitwise<T> = true; "
        "For text use mp::Array<char>, for containers a Manager.");
  }
}

}  // namespace multiprocessing::detail
