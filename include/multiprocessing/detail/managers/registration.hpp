// SPDX-License-Identifier: BSL-1.0
// Something that a program registers with a manager. It goes with the server to where that is
// started.
#pragma once
#include <multiprocessing/detail/callable.hpp>
#include <multiprocessing/detail/managers/referent.hpp>
#include <multiprocessing/partial.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing::detail {

/// Something that can be asked for by its name.
class Registration {
 public:
  explicit Registration(std::string name) : name_(std::move(name)) {}
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;
  virtual ~Registration() = default;

  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Makes an object, or gives the one that there is.
  [[nodiscard]] virtual std::shared_ptr<Referent> create(ServerCall& call) const = 0;
  /// Gives a value. THROWS: TypeError where there is none.
  virtual void reply_value(ServerCall& call) const = 0;
  /// Writes what another image of the program needs. THROWS: TypeError if it cannot go there.
  virtual void encode(Encoder& encoder) const = 0;

 private:
  std::string name_;
};

/// All that was registered. Copies share the registrations.
class Registry {
 public:
  /// One of the same name is replaced.
  void add(std::shared_ptr<const Registration> registration);
  /// Null if there is none.
  [[nodiscard]] const Registration* find(std::string_view name) const noexcept;
  void encode(Encoder& encoder) const;
  static Registry decode(Decoder& decoder);

 private:
  std::vector<std::shared_ptr<const Registration>> all_;
};
template <> struct Traveller<Registry> {
  static void encode(Encoder& encoder, const Registry& registry) { registry.encode(encoder); }
  static Registry decode(Decoder& decoder) { return Registry::decode(decoder); }
};
using DecodeRegistration = std::shared_ptr<const Registration>(Decoder&);

/// What a function, a member function or a function object takes and returns.
template <class F> struct Signature : Signature<decltype(&F::operator())> {};
template <class R, class... P> struct Signature<R (*)(P...)> {
  using Result = R;
  using Parameters = Types<P...>;
  using Class = void;
};
template <class R, class... P> struct Signature<R (*)(P...) noexcept> : Signature<R (*)(P...)> {};
template <class C, class R, class... P> struct Signature<R (C::*)(P...)> {
  using Result = R;
  using Parameters = Types<P...>;
  using Class = C;
};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...) const> : Signature<R (C::*)(P...)> {};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...) noexcept> : Signature<R (C::*)(P...)> {};
template <class C, class R, class... P>
struct Signature<R (C::*)(P...) const noexcept> : Signature<R (C::*)(P...)> {};

template <std::size_t N, class... P> struct WithoutFirst { using type = Types<P...>; };
template <std::size_t N, class First, class... P>
requires(N > 0) struct WithoutFirst<N, First, P...> : WithoutFirst<N - 1, P...> {
};
template <std::size_t N, class... P>
typename WithoutFirst<N, P...>::type without_first(Types<P...> all);

/// What is left of a function's parameters. A member function has its object bound first.
template <class F, class... Bound> struct Signature<Partial<F, Bound...>> {
  using Result = typename Signature<F>::Result;
  static constexpr bool kHasObject = std::is_member_function_pointer_v<F>;
  static_assert(!kHasObject || sizeof...(Bound) > 0, "mp::partial: bind the object, too");
  using Parameters = decltype(without_first<sizeof...(Bound) - (kHasObject ? 1 : 0)>(
      typename Signature<F>::Parameters{}));
  using Class = void;
};

/// A pointer to a member function in another image of the program.
void encode_member(Encoder& encoder, const void* pointer, std::size_t bytes);
void decode_member(Decoder& decoder, void* pointer, std::size_t bytes);

template <class F> void encode_registered(Encoder& encoder, const F& function) {
  if constexpr (std::is_member_function_pointer_v<F>) {
    encode_member(encoder, &function, sizeof function);
  } else if constexpr (std::is_member_object_pointer_v<F>) {
    encoder.put(function);  // where it lies in the object
  } else if constexpr (Portable<F>) {
    encode_portable(encoder, function);
  } else {
    refuse_target(typeid(F));
  }
}
template <class F> F decode_registered(Decoder& decoder) {
  if constexpr (std::is_member_function_pointer_v<F>) {
    F function = nullptr;
    decode_member(decoder, &function, sizeof function);
    return function;
  } else if constexpr (std::is_member_object_pointer_v<F>) {
    return decoder.take<F>();
  } else if constexpr (Portable<F>) {
    return decode_portable<F>(decoder);
  } else {
    refuse_target(typeid(F));
  }
}

/// Calls `f` with the call's arguments, as its parameters are, behind `front`.
template <class F, class... P, class... Front>
decltype(auto) call_with_arguments(ServerCall& call, const F& f, Types<P...> /*parameters*/,
                                   Front&&... front) {
  call.expect_at_most(sizeof...(P));
  // Braces: the arguments are read from left to right.
  std::tuple<std::decay_t<P>...> args{call.arg<std::decay_t<P>>()...};
  return std::apply(
      [&](auto&... each) -> decltype(auto) {
        return std::invoke(f, std::forward<Front>(front)..., std::forward<P>(each)...);
      },
      args);
}

}  // namespace multiprocessing::detail
