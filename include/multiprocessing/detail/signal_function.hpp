// SPDX-License-Identifier: BSL-1.0
// What is called when a signal comes, without its type.
#pragma once
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace multiprocessing::detail {

/// Called with the number of the signal, or without.
template <class F>
concept TakesSignal = std::invocable < std::decay_t<F>
& > || std::invocable<std::decay_t<F>&, int>;

/// A pointer, or a std::function or the like.
template <class F>
inline constexpr bool kMayBeEmpty = !std::is_function_v<std::remove_reference_t<F>> &&
                                    std::is_constructible_v<std::decay_t<F>, std::nullptr_t>;

#pragma GCC visibility push(default)

class SignalFunction {
 public:
  SignalFunction() = default;
  SignalFunction(const SignalFunction&) = delete;
  SignalFunction& operator=(const SignalFunction&) = delete;
  virtual ~SignalFunction() = default;
  virtual void call(int signal) = 0;
};

#pragma GCC visibility pop

template <class F> class SignalFunctionOf final : public SignalFunction {
 public:
  template <class G> explicit SignalFunctionOf(std::in_place_t, G&& f) : f_(std::forward<G>(f)) {}
  void call(int signal) override {
    if constexpr (std::invocable<F&, int>) {
      static_cast<void>(f_(signal));
    } else {
      static_cast<void>(f_());
    }
  }

 private:
  F f_;
};

}  // namespace multiprocessing::detail
