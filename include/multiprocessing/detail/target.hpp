// SPDX-License-Identifier: BSL-1.0
// What a Process runs: a callable and its arguments, bound as std::thread binds them.
#pragma once
#include <multiprocessing/detail/message_traits.hpp>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace multiprocessing::detail {

/// A callable with its arguments, its type forgotten.
class Target {
 public:
  Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  virtual ~Target() = default;

  /// Calls it with its arguments as rvalues; what it returns is dropped. At most once.
  virtual void call() = 0;
};

template <class T> struct BoundArgument { using type = kept_t<T>; };
/// A string literal outlives its frame as a string.
template <std::size_t N> struct BoundArgument<const char (&)[N]> { using type = std::string; };
template <class T> using BoundArgumentT = typename BoundArgument<T>::type;

/// A string that came from a literal may be taken as the pointer that the literal was.
template <class Given, class Bound>
using LiteralT = std::conditional_t<std::is_same_v<Bound, std::decay_t<Given>>, Bound, const char*>;

template <class F, class... Args>
inline constexpr bool kTakesStrings = std::is_invocable_v<std::decay_t<F>, BoundArgumentT<Args>...>;
template <class F, class... Args>
inline constexpr bool kTakesPointers =
    std::is_invocable_v<std::decay_t<F>, LiteralT<Args, BoundArgumentT<Args>>...>;

template <class F, class... Args> class BoundTarget final : public Target {
 public:
  template <class G, class... Given>
  explicit BoundTarget(std::in_place_t, G&& function, Given&&... args)
      : bound_(std::in_place, std::forward<G>(function), std::forward<Given>(args)...) {}

  void call() override {
    // They end with the call, however it ends.
    struct Ended {
      std::optional<Bound>& bound;
      ~Ended() { bound.reset(); }
    };
    const Ended ended{bound_};
    call(std::index_sequence_for<Args...>{});
  }

 private:
  using Bound = std::tuple<std::decay_t<F>, BoundArgumentT<Args>...>;

  template <std::size_t... I> void call(std::index_sequence<I...>) {
    if constexpr (kTakesStrings<F, Args...>) {
      static_cast<void>(
          std::invoke(std::get<0>(std::move(*bound_)), std::get<I + 1>(std::move(*bound_))...));
    } else {
      static_cast<void>(std::invoke(std::get<0>(std::move(*bound_)),
                                    as_given<Args>(std::get<I + 1>(*bound_))...));
    }
  }
  template <class Given, class Value> static decltype(auto) as_given(Value& value) {
    if constexpr (std::is_same_v<Value, std::decay_t<Given>>) {
      return std::move(value);
    } else {
      return value.c_str();
    }
  }

  std::optional<Bound> bound_;  // empty once called
};

}  // namespace multiprocessing::detail
