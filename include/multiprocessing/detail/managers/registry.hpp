// SPDX-License-Identifier: BSL-1.0
// What a program registers with a manager: types whose objects live in the server, and callables
// that the server calls. It goes with the server to where that is started.
#pragma once
#include <multiprocessing/detail/callable.hpp>
#include <multiprocessing/detail/managers/dict.hpp>
#include <multiprocessing/detail/managers/list.hpp>
#include <multiprocessing/detail/managers/queue.hpp>
#include <multiprocessing/detail/managers/set.hpp>
#include <multiprocessing/detail/managers/value.hpp>
#include <multiprocessing/detail/target.hpp>
#include <multiprocessing/queues.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
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
  // Braces: the arguments are read from left to right.
  std::tuple<std::decay_t<P>...> args{call.arg<std::decay_t<P>>()...};
  return std::apply(
      [&](auto&... each) -> decltype(auto) {
        return std::invoke(f, std::forward<Front>(front)..., std::forward<P>(each)...);
      },
      args);
}

template <class T> inline constexpr bool kIsQueue = false;
template <class T> inline constexpr bool kIsQueue<Queue<T>> = true;
template <class T> inline constexpr bool kIsQueue<JoinableQueue<T>> = true;

/// A Queue of the program, reached through the server. Python: what `lambda: queue` returns.
template <class Q> class SharedQueueReferent final : public Referent {
 public:
  using T = typename Q::value_type;
  explicit SharedQueueReferent(Q queue) : queue_(std::move(queue)) {}

  [[nodiscard]] std::string_view type_id() const override { return "Queue"; }
  [[nodiscard]] std::span<const Method> methods() const override {
    using Self = SharedQueueReferent;
    static constexpr Method kMethods[] = {
        {"put", "obj,block,timeout", run_method<Self, &Self::put>},
        {"get", "block,timeout", run_method<Self, &Self::get>},
        {"put_nowait", "obj", run_method<Self, &Self::put_nowait>},
        {"get_nowait", "", run_method<Self, &Self::get_nowait>},
        {"qsize", "", run_method<Self, &Self::qsize>},
        {"empty", "", run_method<Self, &Self::empty>},
        {"full", "", run_method<Self, &Self::full>},
        {"task_done", "", run_method<Self, &Self::task_done>},
        {"join", "timeout", run_method<Self, &Self::join>},
    };
    return kMethods;
  }

 private:
  // In slices, so that a caller's death is noticed.
  template <class Once> static void in_slices(ServerCall& call, Timeout timeout, Once once) {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    for (;;) {
      std::chrono::nanoseconds slice = kSlice;
      bool last = false;
      if (!timeout.is_forever()) {
        const auto left = std::chrono::nanoseconds(timeout.nanoseconds()) - (Clock::now() - begin);
        last = left <= slice;
        slice = std::min(slice, left);
      }
      if (once(Timeout(slice), last)) return;
      call.check_caller();
    }
  }
  static Timeout timeout_of_call(ServerCall& call) {
    const bool block = call.arg_or<bool>(true);
    const auto seconds = call.arg_or<Seconds>(std::nullopt);
    if (!block) return std::chrono::seconds(0);
    return seconds ? Timeout(std::chrono::duration<double>(*seconds)) : Timeout(forever);
  }
  void put(ServerCall& call) {
    const auto object = call.arg<T>();
    put_for(call, object, timeout_of_call(call));
  }
  void put_nowait(ServerCall& call) { put_for(call, call.arg<T>(), std::chrono::seconds(0)); }
  void put_for(ServerCall& call, const T& object, Timeout timeout) {
    in_slices(call, timeout, [&](Timeout slice, bool last) {
      try {
        queue_.put(object, slice);
        return true;
      } catch (const Full&) {
        if (last) throw;
        return false;
      }
    });
  }
  void get(ServerCall& call) { get_for(call, timeout_of_call(call)); }
  void get_nowait(ServerCall& call) { get_for(call, std::chrono::seconds(0)); }
  void get_for(ServerCall& call, Timeout timeout) {
    in_slices(call, timeout, [&](Timeout slice, bool last) {
      try {
        T object = queue_.get(slice);
        call.reply(object);
        // Behind the others now, but not lost.
        call.on_undelivered([queue = queue_, object] { queue.put(object); });
        return true;
      } catch (const Empty&) {
        if (last) throw;
        return false;
      }
    });
  }
  void qsize(ServerCall& call) { call.reply<std::uint64_t>(queue_.qsize()); }
  void empty(ServerCall& call) { call.reply(queue_.empty()); }
  void full(ServerCall& call) { call.reply(queue_.full()); }
  void task_done(ServerCall& /*call*/) {
    if constexpr (requires(Q & q) { q.task_done(); }) {
      queue_.task_done();
    } else {
      throw AttributeError("Queue: task_done is a method of a JoinableQueue");
    }
  }
  void join(ServerCall& call) {
    const auto seconds = call.arg_or<Seconds>(std::nullopt);
    const Timeout timeout =
        seconds ? Timeout(std::chrono::duration<double>(*seconds)) : Timeout(forever);
    if constexpr (requires(Q & q) { q.task_done(); }) {
      bool done = false;
      in_slices(call, timeout, [&](Timeout slice, bool last) {
        done = queue_.join(slice);
        return done || last;
      });
      call.reply(done);
    } else {
      throw AttributeError("Queue: join is a method of a JoinableQueue");
    }
  }

  static constexpr std::chrono::milliseconds kSlice{100};
  Q queue_;
};

/// The object that another proxy of this server names.
[[nodiscard]] std::shared_ptr<Referent> referent_behind(const BaseProxy& proxy);
/// One referent for each thing that a callable returns by reference.
[[nodiscard]] std::shared_ptr<Referent> referent_at(
    const void* thing, std::function<std::shared_ptr<Referent>()> make);

template <class T>
concept SequenceContainer = ListLike<T> && requires(T& items, typename T::value_type value) {
  items.push_back(value);
  items[0];
} && !TextLike<T>;

/// An object in the server around what a callable returned. R: as it returns it.
template <class R> std::shared_ptr<Referent> referent_of(R&& result) {
  using T = std::remove_cvref_t<R>;
  [[maybe_unused]] const auto holder = [&] {
    if constexpr (std::is_lvalue_reference_v<R>) {
      return Holder<T>(&result);
    } else {
      return Holder<T>(std::move(result));
    }
  };
  if constexpr (ProxyType<T>) {
    return referent_behind(result);
  } else if constexpr (kIsQueue<T>) {
    return std::make_shared<SharedQueueReferent<T>>(result);
  } else if constexpr (std::is_lvalue_reference_v<R> &&
                       !std::is_const_v<std::remove_reference_t<R>> &&
                       (MapLike<T> || SequenceContainer<T>)) {
    return referent_at(&result, [&]() -> std::shared_ptr<Referent> {
      if constexpr (MapLike<T>) {
        return std::make_shared<DictReferent<T>>(holder());
      } else {
        return std::make_shared<ListReferent<T>>(holder());
      }
    });
  } else if constexpr (MapLike<T>) {
    return std::make_shared<DictReferent<T>>(Holder<T>(T(result)));
  } else if constexpr (SequenceContainer<T>) {
    return std::make_shared<ListReferent<T>>(Holder<T>(T(result)));
  } else if constexpr (SetLike<T>) {
    using Element = typename T::value_type;
    return std::make_shared<SetReferent<Element>>(
        std::vector<Element>(result.begin(), result.end()));
  } else {
    return std::make_shared<ValueReferent<T>>(T(std::forward<R>(result)));
  }
}

template <class F> class CallableRegistration final : public Registration {
 public:
  CallableRegistration(std::string name, F function)
      : Registration(std::move(name)), function_(std::move(function)) {}

  [[nodiscard]] std::shared_ptr<Referent> create(ServerCall& call) const override {
    if constexpr (std::is_void_v<Result>) {
      run(call);
      return std::make_shared<ValueReferent<Object>>(Object());
    } else {
      return referent_of<Result>(run(call));
    }
  }
  void reply_value(ServerCall& call) const override {
    using T = std::remove_cvref_t<Result>;
    if constexpr (std::is_void_v<Result>) {
      run(call);
    } else {
      call.reply<T>(run(call));
    }
  }
  void encode(Encoder& encoder) const override {
    encode_function(encoder, &CallableRegistration::decode);
    detail::encode(encoder, name());
    encode_registered(encoder, function_);
  }

 private:
  using Result = typename Signature<F>::Result;
  decltype(auto) run(ServerCall& call) const {
    return call_with_arguments(call, function_, typename Signature<F>::Parameters{});
  }
  static std::shared_ptr<const Registration> decode(Decoder& decoder) {
    auto name = detail::decode<std::string>(decoder);
    return std::make_shared<CallableRegistration>(std::move(name), decode_registered<F>(decoder));
  }

  F function_;
};

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
    throw TypeError(readable_name(typeid(T)) + " has no constructor of " +
                    std::to_string(call.count()) + " arguments that a manager could call");
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
    const bool found = (... || (MethodName(names_[I]).hash == method.hash &&
                                (call_member(object, std::get<I>(members_), call), true)));
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
