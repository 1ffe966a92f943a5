// SPDX-License-Identifier: BSL-1.0
// Callables that a server calls, and the objects that it makes of what they return.
#pragma once
#include <multiprocessing/detail/managers/dict.hpp>
#include <multiprocessing/detail/managers/list.hpp>
#include <multiprocessing/detail/managers/registration.hpp>
#include <multiprocessing/detail/managers/set.hpp>
#include <multiprocessing/detail/managers/shared_locks.hpp>
#include <multiprocessing/detail/managers/shared_queue.hpp>
#include <multiprocessing/detail/managers/shared_values.hpp>
#include <multiprocessing/detail/managers/value.hpp>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing::detail {

/// The object that another proxy of this server names.
[[nodiscard]] std::shared_ptr<Referent> referent_behind(const BaseProxy& proxy);
/// A list, dict or set is shared as one; anything else as a Value.
[[nodiscard]] std::shared_ptr<Referent> referent_of_object(const Object& object);
/// One referent for each thing that a callable returns by reference.
[[nodiscard]] std::shared_ptr<Referent> referent_at(
    const void* thing, const std::function<std::shared_ptr<Referent>()>& make);

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
      return Holder<T>(std::forward<R>(result));
    }
  };
  if constexpr (ProxyType<T>) {
    return referent_behind(result);
  } else if constexpr (std::is_same_v<T, Object>) {
    return referent_of_object(result);
  } else if constexpr (kIsQueue<T>) {
    return std::make_shared<SharedQueueReferent<T>>(result);
  } else if constexpr (LockHandle<T>) {
    return referent_of_handle(result);
  } else if constexpr (kIsSharedValue<T>) {
    using Data = SharedData<T>;
    return std::make_shared<ValueReferent<typename T::value_type, Data>>(std::in_place, result);
  } else if constexpr (kIsSharedArray<T>) {
    using Data = SharedData<T>;
    return std::make_shared<ArrayReferent<typename T::value_type, Data>>(std::in_place, result);
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
    return std::make_shared<ValueReferent<T>>(std::in_place,
                                              static_cast<T>(std::forward<R>(result)));
  }
}

template <class F> class CallableRegistration final : public Registration {
 public:
  CallableRegistration(std::string name, F function)
      : Registration(std::move(name)), function_(std::move(function)) {}

  [[nodiscard]] std::shared_ptr<Referent> create(ServerCall& call) const override {
    if constexpr (std::is_void_v<Result>) {
      run(call);
      return std::make_shared<ValueReferent<Object>>(std::in_place, Object());
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

}  // namespace multiprocessing::detail
