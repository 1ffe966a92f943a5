// SPDX-License-Identifier: BSL-1.0
// Types of the program's whose objects live in a server: made there of the arguments of a call, and
// their methods called by name.
#pragma once
#include <multiprocessing/detail/managers/registration.hpp>
#include <multiprocessing/detail/type_name.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <ostream>
#include <sstream>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing::detail {

/// The methods of T that were registered.
template <class T> class TypeMethods {
 public:
  virtual ~TypeMethods() = default;
  virtual void run(T& object, const MethodName& method, ServerCall& call) const = 0;
  [[nodiscard]] virtual const std::vector<std::string>& names() const = 0;
  [[nodiscard]] virtual const std::string& type_name() const = 0;
};

template <class T> class TypeReferent final : public Referent {
 public:
  TypeReferent(std::shared_ptr<const TypeMethods<T>> methods, std::unique_ptr<T> object)
      : methods_(std::move(methods)), object_(std::move(object)) {}

  [[nodiscard]] std::string_view type_id() const override { return methods_->type_name(); }
  [[nodiscard]] std::span<const Method> methods() const override { return {}; }
  [[nodiscard]] std::vector<std::string> method_names() const override { return methods_->names(); }
  void call(const MethodName& method, ServerCall& call) override {
    const bool prints = method.hash == MethodName("__str__").hash &&
                        std::ranges::count(methods_->names(), "__str__") == 0;
    if (prints) return call.reply(print());
    // The program's own types know nothing of threads: one call of an object at a time.
    const std::lock_guard guard(mutex_);
    methods_->run(*object_, method, call);
  }
  [[nodiscard]] std::string print() const override {
    if constexpr (requires(std::ostream & out, const T& t) { out << t; }) {
      const std::lock_guard guard(mutex_);
      std::ostringstream out;
      out << *object_;
      return out.str();
    } else {
      return Referent::print();
    }
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const TypeMethods<T>> methods_;
  std::unique_ptr<T> object_;  // guarded by mutex_
};

/// An argument of a constructor of T, whose parameters nobody has named.
template <class T> struct AnyArgument {
  ServerCall* call;
  template <class P>
  requires(!std::is_same_v<std::remove_cvref_t<P>, T> && Message<P>) operator P() const {
    return call->arg<P>();
  }
};

// An aggregate may be given less than all of its members.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
template <class T, std::size_t... I> consteval bool made_of_any(std::index_sequence<I...>) {
  return requires { T{AnyArgument<T>{(static_cast<void>(I), nullptr)}...}; };
}

template <class T, std::size_t N = 0> std::unique_ptr<T> make_of_arguments(ServerCall& call) {
  constexpr std::size_t kMost = 8;
  if constexpr (made_of_any<T>(std::make_index_sequence<N>())) {
    if (call.count() == N) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return std::unique_ptr<T>(new T{AnyArgument<T>{(static_cast<void>(I), &call)}...});
      }
      (std::make_index_sequence<N>());
    }
  }
  if constexpr (N < kMost) {
    return make_of_arguments<T, N + 1>(call);
  } else {
    const std::string type = readable_name(typeid(T));
    throw TypeError(type + " has no constructor of " + std::to_string(call.count()) +
                    " arguments that a manager could call");
  }
}
#pragma GCC diagnostic pop

template <class T, class... Ms>
class TypeRegistration final : public Registration,
                               public TypeMethods<T>,
                               public std::enable_shared_from_this<TypeRegistration<T, Ms...>> {
 public:
  TypeRegistration(std::string name, std::vector<std::string> names, std::tuple<Ms...> members)
      : Registration(std::move(name)), names_(std::move(names)), members_(std::move(members)) {}

  [[nodiscard]] std::shared_ptr<Referent> create(ServerCall& call) const override {
    return std::make_shared<TypeReferent<T>>(this->shared_from_this(), make_of_arguments<T>(call));
  }
  void reply_value(ServerCall& /*call*/) const override {
    throw TypeError(name() + " is a type: make an object of it by create()");
  }
  void encode(Encoder& encoder) const override {
    encode_function(encoder, &TypeRegistration::decode);
    detail::encode(encoder, name());
    detail::encode(encoder, names_);
    std::apply([&](const auto&... member) { (encode_registered(encoder, member), ...); }, members_);
  }
  void run(T& object, const MethodName& method, ServerCall& call) const override {
    run_member(object, method, call, std::index_sequence_for<Ms...>());
  }
  [[nodiscard]] const std::vector<std::string>& names() const override { return names_; }
  [[nodiscard]] const std::string& type_name() const override { return name(); }

 private:
  static std::shared_ptr<const Registration> decode(Decoder& decoder) {
    auto name = detail::decode<std::string>(decoder);
    auto names = detail::decode<std::vector<std::string>>(decoder);
    // Braces: the members are read from left to right.
    return std::make_shared<TypeRegistration>(std::move(name), std::move(names),
                                              std::tuple<Ms...>{decode_registered<Ms>(decoder)...});
  }

  template <std::size_t... I>
  void run_member(T& object, const MethodName& method, ServerCall& call,
                  std::index_sequence<I...> /*all*/) const {
    const auto is_it = [&](const std::string& name) {
      return MethodName(name).hash == method.hash;
    };
    const bool found =
        (... || (is_it(names_[I]) && (call_member(object, std::get<I>(members_), call), true)));
    if (!found) fail_no_method(name(), method, names_);
  }
  template <class M> static void call_member(T& object, const M& member, ServerCall& call) {
    if constexpr (std::is_member_object_pointer_v<M>) {
      call.reply<std::decay_t<decltype(object.*member)>>(object.*member);
    } else {
      call_function(object, member, call);
    }
  }
  template <class M> static void call_function(T& object, const M& member, ServerCall& call) {
    using Result = typename Signature<M>::Result;
    const auto run = [&]() -> decltype(auto) {
      if constexpr (std::is_member_function_pointer_v<M>) {
        return call_with_arguments(call, member, typename Signature<M>::Parameters{}, object);
      } else {
        return call_behind_object(call, member, typename Signature<M>::Parameters{}, object);
      }
    };
    if constexpr (std::is_void_v<Result> || std::is_same_v<Result, T&>) {
      run();
    } else {
      call.reply<std::remove_cvref_t<Result>>(run());
    }
  }
  template <class M, class Self, class... P>
  static decltype(auto) call_behind_object(ServerCall& call, const M& member,
                                           Types<Self, P...> /*parameters*/, T& object) {
    return call_with_arguments(call, member, Types<P...>{}, object);
  }

  std::vector<std::string> names_;
  std::tuple<Ms...> members_;
};

/// Takes "name", &T::member, "name", &T::member… apart.
template <class T, class... Args>
std::shared_ptr<Registration> register_members(std::string name, const Args&... args) {
  static_assert(sizeof...(Args) % 2 == 0,
                "multiprocessing: methods are registered as a name and a member in turn: "
                "\"add\", &Counter::add");
  const auto all = std::forward_as_tuple(args...);
  return [&]<std::size_t... I>(std::index_sequence<I...>)->std::shared_ptr<Registration> {
    std::vector<std::string> names{std::string(std::get<2 * I>(all))...};
    return std::make_shared<
        TypeRegistration<T, std::decay_t<std::tuple_element_t<2 * I + 1, decltype(all)>>...>>(
        std::move(name), std::move(names), std::tuple(std::get<2 * I + 1>(all)...));
  }
  (std::make_index_sequence<sizeof...(Args) / 2>());
}

}  // namespace multiprocessing::detail
