// SPDX-License-Identifier: BSL-1.0
// What a RawValue and a Value have in common: one T in shared memory.
#pragma once
#include <multiprocessing/detail/shareable.hpp>
#include <multiprocessing/detail/shared_data.hpp>

#include <concepts>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace multiprocessing::detail {

/// An initialiser of an aggregate's member: converts as `member = value` would, numbers too, which
/// braces would refuse.
template <class From> struct MemberValue {
  From&& value;
  template <class To>
  requires std::is_convertible_v<From, To>
  operator To() const { return static_cast<To>(std::forward<From>(value)); }
};

template <class T, class... Args>
concept MembersOf = std::is_aggregate_v<T> && requires {
  T{std::declval<MemberValue<Args>>()...};
};

/// A fraction is not cut off silently.
template <class T, class From>
concept NumberFor = std::is_arithmetic_v<T> && std::is_convertible_v<From, T> &&
    !(std::is_integral_v<T> && std::is_floating_point_v<std::remove_cvref_t<From>>);

template <class T, class... Args>
concept ValueFrom = (sizeof...(Args) == 0 && std::is_default_constructible_v<T>) ||
                    (std::is_arithmetic_v<T> && sizeof...(Args) == 1 &&
                     (... && NumberFor<T, Args>)) ||
                    (!std::is_arithmetic_v<T> &&
                     (std::is_constructible_v<T, Args...> || MembersOf<T, Args...>));

// Members without an initialiser of the caller's, and braces left out within nested aggregates,
// are as in any C++ program.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-braces"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
template <class T, class... Args> void construct_value(void* where, Args&&... args) {
  constexpr bool kIsCopy = sizeof...(Args) == 1 && (... && std::is_convertible_v<Args, T>);
  if constexpr (std::is_arithmetic_v<T> && sizeof...(Args) == 1) {
    ::new (where) T{(..., static_cast<T>(args))};
  } else if constexpr (std::is_aggregate_v<T> && !kIsCopy) {
    ::new (where) T{MemberValue<Args>{std::forward<Args>(args)}...};
  } else {
    ::new (where) T(std::forward<Args>(args)...);
  }
}
#pragma GCC diagnostic pop

template <class T, class... Args> Handle make_value(const Handle& lock, Args&&... args) {
  check_shareable<T>();
  std::tuple<Args&&...> arguments(std::forward<Args>(args)...);
  const auto construct = [](void* where, void* context) {
    std::apply([&](auto&&... a) { construct_value<T>(where, std::forward<decltype(a)>(a)...); },
               std::move(*static_cast<std::tuple<Args&&...>*>(context)));
  };
  return make_data({1, sizeof(T), alignof(T), construct, &arguments}, lock);
}

template <class T> class SharedValue {
 public:
  using value_type = T;

  /// The value itself, Python's `value`: a plain reference. No lock is taken.
  [[nodiscard]] T& value() const noexcept {
    auto* object = static_cast<std::byte*>(handle_.get());
    return *std::launder(reinterpret_cast<T*>(object + data_at(alignof(T))));
  }

  /// The same as `value() = new_value`.
  void value(const T& new_value) const requires std::is_copy_assignable_v<T> {
    value() = new_value;
  }

 protected:
  explicit SharedValue(Handle handle) noexcept : handle_(std::move(handle)) {}
  // Moving copies: no handle is ever without its data.
  SharedValue(const SharedValue&) = default;
  SharedValue& operator=(const SharedValue&) = default;
  ~SharedValue() = default;

  Handle handle_;
};

}  // namespace multiprocessing::detail
