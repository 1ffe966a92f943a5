// SPDX-License-Identifier: BSL-1.0
// A callable with its first arguments, which can go to other processes. Python:
// `functools.partial`.
#pragma once
#include <multiprocessing/detail/callable.hpp>
#include <multiprocessing/detail/target.hpp>

#include <functional>
#include <tuple>
#include <utility>

namespace multiprocessing {

/// Made by partial(). Calls the function with the arguments that it keeps, followed by those of the
/// call. A value: every call passes copies of what is kept.
///
/// It is a message, and a target for every start method, where its function and arguments are what
/// may be the target of a Process and its arguments.
template <class F, class... Args> class Partial {
 public:
  /// Use partial().
  Partial(std::in_place_t /*tag*/, std::tuple<F, Args...> parts) : parts_(std::move(parts)) {}

  template <class... More>
  decltype(auto) operator()(
      More&&... more) const requires std::is_invocable_v<F, Args..., More...> {
    return std::apply(
        [&](F function, Args... args) -> decltype(auto) {
          return std::invoke(std::move(function), std::move(args)..., std::forward<More>(more)...);
        },
        parts_);
  }

 private:
  friend struct detail::Traveller<Partial>;
  std::tuple<F, Args...> parts_;
};

/// Binds the first arguments of a function, as decayed copies; string literals become std::string.
template <class F, class... Args> [[nodiscard]] auto partial(F&& function, Args&&... args) {
  using Result = Partial<std::decay_t<F>, detail::BoundArgumentT<Args>...>;
  return Result(std::in_place, {std::forward<F>(function), std::forward<Args>(args)...});
}

namespace detail {

template <class F, class... Args>
requires(Portable<F> && (... && Portable<Args>)) struct Traveller<Partial<F, Args...>> {
  static void encode(Encoder& encoder, const Partial<F, Args...>& value) {
    std::apply([&](const auto&... parts) { (encode_portable(encoder, parts), ...); }, value.parts_);
  }
  static Partial<F, Args...> decode(Decoder& decoder) {
    // Braces: the parts are read from left to right.
    return {std::in_place,
            std::tuple<F, Args...>{decode_portable<F>(decoder), decode_portable<Args>(decoder)...}};
  }
};

}  // namespace detail
}  // namespace multiprocessing
