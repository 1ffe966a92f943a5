// SPDX-License-Identifier: BSL-1.0
// A single value, an array and a namespace in the server, and their proxies.
#pragma once
#include <multiprocessing/detail/managers/container.hpp>
#include <multiprocessing/detail/managers/data.hpp>
#include <multiprocessing/detail/managers/list.hpp>
#include <multiprocessing/detail/managers/ordered_map.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing {
namespace detail {

template <class T, class Data = OwnData<T>> class ValueReferent final : public Referent {
 public:
  static constexpr MethodName kTypeId = "Value";
  static constexpr std::uint64_t kKey = referent_key<T>(kTypeId);

  explicit ValueReferent(ServerCall& call) : data_(first(call)) {}
  /// Of what a Data is made of.
  template <class From>
  ValueReferent(std::in_place_t, From&& from) : data_(std::forward<From>(from)) {}

  [[nodiscard]] std::string_view type_id() const override { return kTypeId.text; }
  [[nodiscard]] std::span<const Method> methods() const override {
    static constexpr Method kMethods[] = {
        {"get", "", run_method<ValueReferent, &ValueReferent::get>},
        {"set", "value", run_method<ValueReferent, &ValueReferent::set>},
    };
    return kMethods;
  }
  [[nodiscard]] std::string print() const override {
    std::string text;
    const bool seen =
        data_.try_use([&](const T& value) { text = "Value(" + repr_of(value) + ")"; });
    return seen ? text : Referent::print();
  }
  [[nodiscard]] Object value() const override {
    if constexpr (kHasObjectForm<T>) {
      Object copy;
      if (data_.try_use([&](const T& value) { copy = Object(value); })) return copy;
    }
    return Referent::value();
  }

 private:
  // Python gives a typecode first, which is nothing to this.
  static auto first(ServerCall& call) {
    if (call.python()) static_cast<void>(call.arg<Object>());
    return call.arg<T>();
  }
  void get(ServerCall& call) {
    data_.use(call, [&](const T& value) { call.reply<T>(value); });
  }
  void set(ServerCall& call) {
    auto next = call.arg<T>();
    data_.use(call, [&](T& value) { value = std::move(next); });
  }

  Data data_;
};

/// What Python's array calls a T; 'O' for what it has no code for.
template <class T> consteval char typecode_of() {
  if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? 'f' : 'd';
  if constexpr (!std::is_integral_v<T>) return 'O';
  constexpr const char* kCodes = std::is_signed_v<T> ? "bhiq" : "BHIQ";
  return kCodes[sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3];
}

template <class T, class Data = OwnData<ListItems<T>>> class ArrayReferent final : public Referent {
 public:
  static constexpr MethodName kTypeId = "Array";
  static constexpr std::uint64_t kKey = referent_key<T>(kTypeId);

  explicit ArrayReferent(ServerCall& call) : data_(first(call)) {}
  template <class From>
  ArrayReferent(std::in_place_t, From&& from) : data_(std::forward<From>(from)) {}

  [[nodiscard]] std::string_view type_id() const override { return kTypeId.text; }
  [[nodiscard]] std::span<const Method> methods() const override {
    using Self = ArrayReferent;
    static constexpr Method kMethods[] = {
        {"__getitem__", "index", run_method<Self, &Self::get_item>},
        {"__setitem__", "index,value", run_method<Self, &Self::set_item>},
        {"__len__", "", run_method<Self, &Self::size>},
        {"copy", "", run_method<Self, &Self::copy>},
        {"slice", "start,stop", run_method<Self, &Self::slice>},
    };
    return kMethods;
  }
  [[nodiscard]] std::string print() const override {
    std::string text = std::string("array('") + typecode_of<T>() + "', [";
    const bool seen = data_.try_use([&](const auto& items) {
      for (std::size_t i = 0; i < items.size(); ++i) {
        text += (i != 0 ? ", " : "") + repr_of<T>(items[i]);
      }
    });
    return seen ? text + "])" : Referent::print();
  }
  [[nodiscard]] Object value() const override {
    if constexpr (kHasObjectForm<T>) {
      Object copy;
      if (data_.try_use([&](const auto& items) { copy = Object::list(items); })) return copy;
    }
    return Referent::value();
  }

 private:
  static auto first(ServerCall& call) {
    if (call.python()) static_cast<void>(call.arg<Object>());
    auto items = items_arg<T>(call);
    return ListItems<T>(std::make_move_iterator(items.begin()),
                        std::make_move_iterator(items.end()));
  }
  void get_item(ServerCall& call) {
    const auto index = call.arg<std::int64_t>();
    data_.use(call, [&](const auto& items) {
      call.reply<T>(items[checked_index(index, items.size(), "array index")]);
    });
  }
  void set_item(ServerCall& call) {
    const auto index = call.arg<std::int64_t>();
    auto value = call.arg<T>();
    data_.use(call, [&](auto&& items) {
      items[checked_index(index, items.size(), "array assignment index")] = std::move(value);
    });
  }
  void size(ServerCall& call) {
    data_.use(call, [&](const auto& items) { call.reply<std::uint64_t>(items.size()); });
  }
  void copy(ServerCall& call) {
    data_.use(call,
              [&](const auto& items) { call.reply(std::vector<T>(items.begin(), items.end())); });
  }
  void slice(ServerCall& call) {
    const auto from = call.arg<std::int64_t>();
    const auto to = call.arg<std::int64_t>();
    data_.use(call, [&](const auto& items) {
      const std::size_t begin = clamped_index(from, items.size());
      const std::size_t end = std::max(begin, clamped_index(to, items.size()));
      call.reply(std::vector<T>(items.begin() + static_cast<std::ptrdiff_t>(begin),
                                items.begin() + static_cast<std::ptrdiff_t>(end)));
    });
  }

  Data data_;  // the number of its elements never changes
};

}  // namespace detail

/// A value in a manager's server. Python: `ValueProxy`.
template <class T = Object> class ValueProxy : public BaseProxy {
 public:
  ValueProxy() = default;

  [[nodiscard]] T get() const { return run<T>("get"); }
  void set(const T& value) const { run<void>("set", value); }
  /// Python's attribute `value`.
  [[nodiscard]] T value() const { return get(); }
  void value(const T& value) const { set(value); }

 private:
  friend class detail::ProxyAccess;
  using BaseProxy::BaseProxy;
};

/// An array of a fixed number of elements in a manager's server. Python: `ArrayProxy`.
template <class T = Object> class ArrayProxy : public BaseProxy {
 public:
  using value_type = T;
  using Item = detail::ProxyItem<ArrayProxy, std::int64_t, T>;

  ArrayProxy() = default;

  /// `a[i] = v`, `T v = a[i]`. THROWS, when it is used: IndexError.
  Item operator[](std::int64_t index) const { return Item(*this, index); }
  /// THROWS: IndexError.
  [[nodiscard]] T at(std::int64_t index) const { return get_item(index); }
  [[nodiscard]] std::size_t size() const { return run<std::uint64_t>("__len__"); }
  [[nodiscard]] std::vector<T> copy() const { return run<std::vector<T>>("copy"); }
  /// Python's a[from:to].
  [[nodiscard]] std::vector<T> slice(std::int64_t from, std::int64_t to) const {
    return run<std::vector<T>>("slice", from, to);
  }
  /// Its elements, as they are when the loop begins.
  [[nodiscard]] detail::Snapshot<T> begin() const { return detail::Snapshot<T>(copy()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class detail::ProxyAccess;
  friend Item;
  using BaseProxy::BaseProxy;
  [[nodiscard]] T get_item(std::int64_t index) const { return run<T>("__getitem__", index); }
  void set_item(std::int64_t index, const T& value) const {
    run<void>("__setitem__", index, value);
  }
};

/// Attributes by name in a manager's server. Python: `NamespaceProxy`.
class NamespaceProxy : public BaseProxy {
 public:
  using Item = detail::ProxyItem<NamespaceProxy, std::string, Object>;

  NamespaceProxy() = default;

  /// `ns["x"] = 1`, `ns["x"].as<int>()`. THROWS, when it is read: AttributeError.
  Item operator[](std::string_view name) const { return Item(*this, std::string(name)); }
  /// THROWS: AttributeError if there is none of that name, TypeError if it is no T.
  template <class T = Object> [[nodiscard]] T get(std::string_view name) const {
    return detail::from_object<T>(get_item(std::string(name)));
  }
  void set(std::string_view name, const Object& value) const { set_item(std::string(name), value); }
  [[nodiscard]] bool contains(std::string_view name) const {
    return run<bool>("__contains__", name);
  }
  /// THROWS: AttributeError.
  void erase(std::string_view name) const { run<void>("__delattr__", name); }

 private:
  friend class detail::ProxyAccess;
  friend Item;
  using BaseProxy::BaseProxy;
  [[nodiscard]] Object get_item(const std::string& name) const {
    return run<Object>("__getattribute__", name);
  }
  void set_item(const std::string& name, const Object& value) const {
    run<void>("__setattr__", name, value);
  }
};

namespace detail {
template <class T> struct Traveller<ValueProxy<T>> : ProxyTraveller<ValueProxy<T>, "Value"> {};
template <class T> struct Traveller<ArrayProxy<T>> : ProxyTraveller<ArrayProxy<T>, "Array"> {};
template <> struct Traveller<NamespaceProxy> : ProxyTraveller<NamespaceProxy, "Namespace"> {};
}  // namespace detail
}  // namespace multiprocessing
