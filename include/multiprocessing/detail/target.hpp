// SPDX-License-Identifier: BSL-1.0
// What a Process runs: a callable and its arguments, bound as std::thread binds them.
#pragma once
#include <multiprocessing/detail/callable.hpp>
#include <multiprocessing/detail/message_traits.hpp>

#include <cstddef>
#include <functional>
#include <memory>
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

  /// Writes what another image of the program needs to make it again. THROWS: TypeError if it
  /// cannot go there; what the types' own `serialize` throws.
  virtual void encode(Encoder& encoder) const = 0;
};

/// Makes it again in that image. THROWS: RuntimeError if the image is another build, and what the
/// types' own `serialize` throws.
[[nodiscard]] inline std::shared_ptr<Target> decode_target(Decoder& decoder) {
  return decode_function<std::shared_ptr<Target>(Decoder&)>(decoder)(decoder);
}

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

  void encode(Encoder& encoder) const override {
    if constexpr (kPortable) {
      encode_function(encoder, &BoundTarget::decode);
      std::apply([&](const auto&... parts) { (encode_portable(encoder, parts), ...); }, *bound_);
    } else {
      refuse(Types<std::decay_t<F>, BoundArgumentT<Args>...>{});
    }
  }

  void call() override {
    // They end with the call, however it ends.
    struct Ended {
      std::optional<Bound>& bound;
      ~Ended() {
        if constexpr (!std::is_trivially_destructible_v<Bound>) bound.reset();
      }
    };
    const Ended ended{bound_};
    call(std::index_sequence_for<Args...>{});
  }

 private:
  using Bound = std::tuple<std::decay_t<F>, BoundArgumentT<Args>...>;
  static constexpr bool kPortable =
      Portable<std::decay_t<F>> && (... && Portable<BoundArgumentT<Args>>);

  struct Decoded {};
  BoundTarget(Decoded /*tag*/, Decoder& decoder)
      // Braces: the parts are read from left to right.
      : bound_(Bound{decode_portable<std::decay_t<F>>(decoder),
                     decode_portable<BoundArgumentT<Args>>(decoder)...}) {}

  static std::shared_ptr<Target> decode(Decoder& decoder) {
    return std::shared_ptr<Target>(new BoundTarget(Decoded{}, decoder));
  }
  template <class... Parts> [[noreturn]] static void refuse(Types<Parts...> /*parts*/) {
    const std::type_info* culprit = nullptr;
    static_cast<void>((... || (!Portable<Parts> && (culprit = &typeid(Parts)) != nullptr)));
    refuse_target(*culprit);
  }

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

  std::optional<Bound> bound_;  // of no use once called
};

}  // namespace multiprocessing::detail
