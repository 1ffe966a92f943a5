// SPDX-License-Identifier: BSL-1.0
// A set in the server, and its proxy.
#pragma once
#include <multiprocessing/detail/managers/container.hpp>
#include <multiprocessing/detail/managers/ordered_map.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <mutex>
#include <ranges>
#include <set>
#include <unordered_set>
#include <variant>
#include <vector>

namespace multiprocessing {
namespace detail {

template <class T> class SetReferent final : public Referent {
 public:
  static constexpr MethodName kTypeId = "set";
  static constexpr std::uint64_t kKey = referent_key<T>(kTypeId);

  explicit SetReferent(ServerCall& call) {
    if (call.has_next()) add_all(items_arg<T>(call));
  }
  explicit SetReferent(std::vector<T> items) { add_all(std::move(items)); }

  [[nodiscard]] std::string_view type_id() const override { return kTypeId.text; }
  [[nodiscard]] std::span<const Method> methods() const override {
    using Self = SetReferent;
    static constexpr Method kMethods[] = {
        {"__contains__", "value", run_method<Self, &Self::contains>},
        {"__len__", "", run_method<Self, &Self::size>},
        {"add", "value", run_method<Self, &Self::add>},
        {"discard", "value", run_method<Self, &Self::discard>},
        {"remove", "value", run_method<Self, &Self::remove>},
        {"pop", "", run_method<Self, &Self::pop>},
        {"clear", "", run_method<Self, &Self::clear>},
        {"copy", "", run_method<Self, &Self::copy>},
        {"update", "other", run_method<Self, &Self::update>},
        {"intersection_update", "other", run_method<Self, &Self::keep_those>},
        {"difference_update", "other", run_method<Self, &Self::drop_those>},
        {"symmetric_difference_update", "other", run_method<Self, &Self::toggle_those>},
        {"isdisjoint", "other", run_method<Self, &Self::isdisjoint>},
        {"issubset", "other", run_method<Self, &Self::issubset>},
        {"issuperset", "other", run_method<Self, &Self::issuperset>},
    };
    return kMethods;
  }
  [[nodiscard]] std::string print() const override {
    const std::lock_guard guard(mutex_);
    if (items_.empty()) return "set()";
    std::string text = "{";
    for (const auto& entry : items_) text += (text.size() > 1 ? ", " : "") + repr_of(entry.first);
    return text + "}";
  }
  [[nodiscard]] Object value() const override {
    if constexpr (kHasObjectForm<T>) {
      const std::lock_guard guard(mutex_);
      return Object::set(all());
    } else {
      return Referent::value();
    }
  }

 private:
  using Items = OrderedMap<T, std::monostate>;

  std::vector<T> all() const {
    std::vector<T> items;
    items.reserve(items_.size());
    for (const auto& entry : items_) items.push_back(entry.first);
    return items;
  }
  void add_all(std::vector<T> more) {
    const std::lock_guard guard(mutex_);
    for (const T& item : more) items_.emplace(item, {});
  }
  bool has(const T& value) { return items_.find(value) != items_.end(); }
  void drop(const T& value) {
    if (const auto found = items_.find(value); found != items_.end()) items_.erase(found);
  }
  static Items items_of(const std::vector<T>& values) {
    Items items;
    for (const T& value : values) items.emplace(value, {});
    return items;
  }

  void contains(ServerCall& call) {
    const auto value = call.arg<T>();
    const std::lock_guard guard(mutex_);
    call.reply(has(value));
  }
  void size(ServerCall& call) {
    const std::lock_guard guard(mutex_);
    call.reply<std::uint64_t>(items_.size());
  }
  void add(ServerCall& call) {
    const auto value = call.arg<T>();
    const std::lock_guard guard(mutex_);
    items_.emplace(value, {});
  }
  void discard(ServerCall& call) {
    const auto value = call.arg<T>();
    const std::lock_guard guard(mutex_);
    drop(value);
  }
  void remove(ServerCall& call) {
    const auto value = call.arg<T>();
    const std::lock_guard guard(mutex_);
    if (!has(value)) throw KeyError(repr_of(value));
    drop(value);
  }
  void pop(ServerCall& call) {
    const std::lock_guard guard(mutex_);
    if (items_.empty()) throw KeyError("pop from an empty set");
    const auto first = items_.begin();
    call.reply<T>(first->first);
    items_.erase(first);
  }
  void clear(ServerCall& /*call*/) {
    const std::lock_guard guard(mutex_);
    items_.clear();
  }
  void copy(ServerCall& call) {
    if (call.python()) return call.reply(value());
    const std::lock_guard guard(mutex_);
    call.reply(all());
  }
  void update(ServerCall& call) { add_all(items_arg<T>(call)); }
  void keep_those(ServerCall& call) {
    Items others = items_of(items_arg<T>(call));
    const std::lock_guard guard(mutex_);
    for (const T& item : all()) {
      if (others.find(item) == others.end()) drop(item);
    }
  }
  void drop_those(ServerCall& call) {
    const auto others = items_arg<T>(call);
    const std::lock_guard guard(mutex_);
    for (const T& item : others) drop(item);
  }
  void toggle_those(ServerCall& call) {
    const Items others = items_of(items_arg<T>(call));
    const std::lock_guard guard(mutex_);
    for (const auto& entry : others) {
      if (has(entry.first)) {
        drop(entry.first);
      } else {
        items_.emplace(entry.first, {});
      }
    }
  }
  void isdisjoint(ServerCall& call) {
    const auto others = items_arg<T>(call);
    const std::lock_guard guard(mutex_);
    call.reply(std::none_of(others.begin(), others.end(), [&](const T& x) { return has(x); }));
  }
  void issuperset(ServerCall& call) {
    const auto others = items_arg<T>(call);
    const std::lock_guard guard(mutex_);
    call.reply(std::all_of(others.begin(), others.end(), [&](const T& x) { return has(x); }));
  }
  void issubset(ServerCall& call) {
    Items others = items_of(items_arg<T>(call));
    const std::lock_guard guard(mutex_);
    const auto own = all();
    call.reply(std::all_of(own.begin(), own.end(),
                           [&](const T& x) { return others.find(x) != others.end(); }));
  }

  mutable std::mutex mutex_;
  Items items_;  // guarded by mutex_
};

template <class T>
using SetCopy = std::conditional_t<!std::same_as<T, Object> && std::totally_ordered<T>, std::set<T>,
                                   std::unordered_set<T>>;

}  // namespace detail

/// A set in a manager's server. Python: `SetProxy`. `union` is a word of C++: it is `union_` here.
template <class T = Object> class SetProxy : public BaseProxy {
 public:
  using value_type = T;
  using Copy = detail::SetCopy<T>;

  SetProxy() = default;

  void add(const T& value) const { run<void>("add", value); }
  void discard(const T& value) const { run<void>("discard", value); }
  /// THROWS: KeyError if it is not there.
  void remove(const T& value) const { run<void>("remove", value); }
  /// Any of them. THROWS: KeyError if it is empty.
  T pop() const { return run<T>("pop"); }
  [[nodiscard]] bool contains(const T& value) const { return run<bool>("__contains__", value); }
  [[nodiscard]] std::size_t size() const { return run<std::uint64_t>("__len__"); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  void clear() const { run<void>("clear"); }
  /// A std::set; a std::unordered_set where the elements have no order.
  [[nodiscard]] Copy copy() const {
    auto all = elements();
    return {std::make_move_iterator(all.begin()), std::make_move_iterator(all.end())};
  }

  void update(std::initializer_list<T> items) const { change("update", items); }
  template <std::ranges::input_range R> void update(const R& items) const {
    change("update", items);
  }
  template <std::ranges::input_range R> void intersection_update(const R& items) const {
    change("intersection_update", items);
  }
  template <std::ranges::input_range R> void difference_update(const R& items) const {
    change("difference_update", items);
  }
  template <std::ranges::input_range R> void symmetric_difference_update(const R& items) const {
    change("symmetric_difference_update", items);
  }
  template <std::ranges::input_range R> [[nodiscard]] bool isdisjoint(const R& items) const {
    return run<bool>("isdisjoint", detail::elements_of<T>(items));
  }
  template <std::ranges::input_range R> [[nodiscard]] bool issubset(const R& items) const {
    return run<bool>("issubset", detail::elements_of<T>(items));
  }
  template <std::ranges::input_range R> [[nodiscard]] bool issuperset(const R& items) const {
    return run<bool>("issuperset", detail::elements_of<T>(items));
  }

  /// New sets, made here of a copy.
  template <std::ranges::input_range R> [[nodiscard]] Copy union_(const R& items) const {
    Copy result = copy();
    for (auto&& item : items) result.insert(static_cast<T>(item));
    return result;
  }
  template <std::ranges::input_range R> [[nodiscard]] Copy intersection(const R& items) const {
    const Copy own = copy();
    Copy result;
    for (auto&& item : items) {
      if (own.contains(static_cast<T>(item))) result.insert(static_cast<T>(item));
    }
    return result;
  }
  template <std::ranges::input_range R> [[nodiscard]] Copy difference(const R& items) const {
    Copy result = copy();
    for (auto&& item : items) result.erase(static_cast<T>(item));
    return result;
  }
  template <std::ranges::input_range R>
  [[nodiscard]] Copy symmetric_difference(const R& items) const {
    Copy result = copy();
    for (const T& item : Copy(std::ranges::begin(items), std::ranges::end(items))) {
      if (result.erase(item) == 0) result.insert(item);
    }
    return result;
  }

  /// Its elements, as they are when the loop begins.
  [[nodiscard]] detail::Snapshot<T> begin() const { return detail::Snapshot<T>(elements()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class detail::ProxyAccess;
  using BaseProxy::BaseProxy;
  [[nodiscard]] std::vector<T> elements() const { return run<std::vector<T>>("copy"); }
  template <class R> void change(detail::MethodName method, const R& items) const {
    run<void>(method, detail::elements_of<T>(items));
  }
};

namespace detail {
template <class T> struct Traveller<SetProxy<T>> : ProxyTraveller<SetProxy<T>, "set"> {};
}  // namespace detail
}  // namespace multiprocessing
