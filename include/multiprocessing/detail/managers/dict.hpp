// SPDX-License-Identifier: BSL-1.0
// A dict in the server, and its proxy.
#pragma once
#include <multiprocessing/detail/managers/container.hpp>
#include <multiprocessing/detail/managers/ordered_map.hpp>

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace multiprocessing {
namespace detail {

template <class Map> class DictReferent final : public Referent {
 public:
  using K = typename Map::key_type;
  using V = typename Map::mapped_type;
  static constexpr MethodName kTypeId = "dict";
  static constexpr std::uint64_t kKey = referent_key<K, V>(kTypeId);

  explicit DictReferent(ServerCall& call) {
    if (call.has_next()) update_from(pairs_arg<K, V>(call));
  }
  explicit DictReferent(Holder<Map> map) : map_(std::move(map)) {}

  [[nodiscard]] std::string_view type_id() const override { return kTypeId.text; }
  [[nodiscard]] std::span<const Method> methods() const override {
    using Self = DictReferent;
    static constexpr Method kMethods[] = {
        {"__getitem__", "key", run_method<Self, &Self::get_item>},
        {"__setitem__", "key,value", run_method<Self, &Self::set_item>},
        {"__contains__", "key", run_method<Self, &Self::contains>},
        {"__len__", "", run_method<Self, &Self::size>},
        {"get", "key,default", run_method<Self, &Self::get>},
        {"__delitem__", "key", run_method<Self, &Self::erase>},
        {"pop", "key,default", run_method<Self, &Self::pop>},
        {"popitem", "", run_method<Self, &Self::popitem>},
        {"setdefault", "key,default", run_method<Self, &Self::setdefault>},
        {"update", "other", run_method<Self, &Self::update>},
        {"keys", "", run_method<Self, &Self::keys>},
        {"values", "", run_method<Self, &Self::values>},
        {"items", "", run_method<Self, &Self::items>},
        {"clear", "", run_method<Self, &Self::clear>},
        {"copy", "", run_method<Self, &Self::copy>},
        {"__or__", "value", run_method<Self, &Self::united>},
        {"__ior__", "value", run_method<Self, &Self::update>},
        {"__iter__", "", run_method<Self, &Self::iterate>},
    };
    return kMethods;
  }
  [[nodiscard]] std::string print() const override {
    const std::lock_guard guard(mutex_);
    std::string text = "{";
    for (const auto& [key, value] : *map_) {
      text += (text.size() > 1 ? ", " : "") + repr_of(key) + ": " + repr_of(value);
    }
    return text + "}";
  }
  [[nodiscard]] Object value() const override {
    if constexpr (kHasObjectForm<K> && kHasObjectForm<V>) {
      const std::lock_guard guard(mutex_);
      Object dict = Object::dict();
      for (const auto& [key, value] : *map_) dict[Object(key)] = Object(value);
      return dict;
    } else {
      return Referent::value();
    }
  }

 private:
  using Pairs = std::vector<std::pair<K, V>>;

  typename Map::iterator existing(const K& key) {
    const auto found = map_->find(key);
    if (found == map_->end()) throw KeyError(repr_of(key));
    return found;
  }
  void put(const K& key, V value) {
    const auto [place, is_new] = map_->emplace(key, value);
    if (!is_new) place->second = std::move(value);
  }
  void update_from(Pairs pairs) {
    const std::lock_guard guard(mutex_);
    for (auto& [key, value] : pairs) put(key, std::move(value));
  }

  void get_item(ServerCall& call) {
    const auto key = call.arg<K>();
    const std::lock_guard guard(mutex_);
    call.reply<V>(existing(key)->second);
  }
  void set_item(ServerCall& call) {
    const auto key = call.arg<K>();
    auto value = call.arg<V>();
    const std::lock_guard guard(mutex_);
    put(key, std::move(value));
  }
  void contains(ServerCall& call) {
    const auto key = call.arg<K>();
    const std::lock_guard guard(mutex_);
    call.reply(map_->find(key) != map_->end());
  }
  void size(ServerCall& call) {
    const std::lock_guard guard(mutex_);
    call.reply<std::uint64_t>(map_->size());
  }
  void get(ServerCall& call) {
    const auto key = call.arg<K>();
    if (!call.has_next()) return reply_if_there(call, key);
    const RawValue fallback = call.raw_arg();
    const std::lock_guard guard(mutex_);
    const auto found = map_->find(key);
    if (found == map_->end()) return call.reply_raw(fallback);
    call.reply<V>(found->second);
  }
  void reply_if_there(ServerCall& call, const K& key) {
    const std::lock_guard guard(mutex_);
    const auto found = map_->find(key);
    call.reply<std::optional<V>>(found == map_->end() ? std::nullopt
                                                      : std::optional<V>(found->second));
  }
  void erase(ServerCall& call) {
    const auto key = call.arg<K>();
    const std::lock_guard guard(mutex_);
    map_->erase(existing(key));
  }
  void pop(ServerCall& call) {
    const auto key = call.arg<K>();
    const bool has_fallback = call.has_next();
    const RawValue fallback = has_fallback ? call.raw_arg() : RawValue{};
    const std::lock_guard guard(mutex_);
    const auto found = has_fallback ? map_->find(key) : existing(key);
    if (found == map_->end()) return call.reply_raw(fallback);
    call.reply<V>(found->second);
    map_->erase(found);
  }
  void popitem(ServerCall& call) {
    const std::lock_guard guard(mutex_);
    if (map_->empty()) throw KeyError("popitem(): the dict is empty");
    auto last = map_->begin();
    if constexpr (std::bidirectional_iterator<typename Map::iterator>)
      last = std::prev(map_->end());
    call.reply<std::pair<K, V>>({last->first, last->second});
    map_->erase(last);
  }
  void setdefault(ServerCall& call) {
    const auto key = call.arg<K>();
    auto value = call.arg_or<V>(V());
    const std::lock_guard guard(mutex_);
    call.reply<V>(map_->emplace(key, std::move(value)).first->second);
  }
  void update(ServerCall& call) { update_from(pairs_arg<K, V>(call)); }
  void keys(ServerCall& call) {
    const std::lock_guard guard(mutex_);
    std::vector<K> all;
    all.reserve(map_->size());
    for (const auto& entry : *map_) all.push_back(entry.first);
    call.reply(all);
  }
  void values(ServerCall& call) {
    const std::lock_guard guard(mutex_);
    std::vector<V> all;
    all.reserve(map_->size());
    for (const auto& entry : *map_) all.push_back(entry.second);
    call.reply(all);
  }
  void items(ServerCall& call) {
    const std::lock_guard guard(mutex_);
    Pairs all;
    all.reserve(map_->size());
    for (const auto& [key, value] : *map_) all.emplace_back(key, value);
    call.reply(all);
  }
  void copy(ServerCall& call) {
    if (call.python()) return call.reply(value());
    items(call);
  }
  void iterate(ServerCall& call) {
    if constexpr (kHasObjectForm<K>) {
      Object::List all;
      const std::lock_guard guard(mutex_);
      for (const auto& entry : *map_) all.emplace_back(entry.first);
      call.reply_object(make_iterator(std::move(all)));
    } else {
      throw TypeError("the keys of this dict have no counterpart in Python");
    }
  }
  void clear(ServerCall& /*call*/) {
    const std::lock_guard guard(mutex_);
    map_->clear();
  }
  // Python's d | other.
  void united(ServerCall& call) {
    Object all = value();
    for (const auto& [key, item] : call.arg<Object>().items()) all[key] = item;
    call.reply(all);
  }

  mutable std::mutex mutex_;
  Holder<Map> map_;  // guarded by mutex_
};

template <class K, class V>
using DictCopy = std::conditional_t<!std::same_as<K, Object> && std::totally_ordered<K>,
                                    std::map<K, V>, std::unordered_map<K, V>>;

}  // namespace detail

/// A dict in a manager's server, in the order of insertion. Python: `DictProxy`.
template <class K = Object, class V = Object> class DictProxy : public BaseProxy {
 public:
  using key_type = K;
  using mapped_type = V;
  using Item = detail::ProxyItem<DictProxy, K, V>;

  DictProxy() = default;

  /// `d[k] = v`, `V v = d[k]`. THROWS, when it is read: KeyError.
  Item operator[](const K& key) const { return Item(*this, key); }
  /// THROWS: KeyError.
  [[nodiscard]] V at(const K& key) const { return get_item(key); }
  /// None (no value) if there is no such key.
  [[nodiscard]] auto get(const K& key) const {
    auto found = run<std::optional<V>>("get", key);
    if constexpr (std::is_same_v<V, Object>) {
      return found ? std::move(*found) : Object();
    } else {
      return found;
    }
  }
  [[nodiscard]] V get(const K& key, const V& fallback) const {
    return run<V>("get", key, fallback);
  }
  [[nodiscard]] bool contains(const K& key) const { return run<bool>("__contains__", key); }
  /// THROWS: KeyError.
  void erase(const K& key) const { run<void>("__delitem__", key); }
  /// THROWS: KeyError.
  V pop(const K& key) const { return run<V>("pop", key); }
  V pop(const K& key, const V& fallback) const { return run<V>("pop", key, fallback); }
  /// The pair that was added last. THROWS: KeyError if it is empty.
  std::pair<K, V> popitem() const { return run<std::pair<K, V>>("popitem"); }
  /// The value of that key, which is added if there is none.
  V setdefault(const K& key, const V& value = V()) const {
    return run<V>("setdefault", key, value);
  }
  void update(std::initializer_list<std::pair<K, V>> pairs) const { update_with(pairs); }
  template <std::ranges::input_range Pairs> void update(const Pairs& pairs) const {
    update_with(pairs);
  }
  void update(const DictProxy& other) const { update_with(other.items()); }

  [[nodiscard]] std::vector<K> keys() const { return run<std::vector<K>>("keys"); }
  [[nodiscard]] std::vector<V> values() const { return run<std::vector<V>>("values"); }
  [[nodiscard]] std::vector<std::pair<K, V>> items() const {
    return run<std::vector<std::pair<K, V>>>("items");
  }
  [[nodiscard]] std::size_t size() const { return run<std::uint64_t>("__len__"); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  void clear() const { run<void>("clear"); }
  /// A std::map; a std::unordered_map where the keys have no order.
  [[nodiscard]] detail::DictCopy<K, V> copy() const {
    auto all = items();
    return {std::make_move_iterator(all.begin()), std::make_move_iterator(all.end())};
  }

  /// Its keys, as they are when the loop begins.
  [[nodiscard]] detail::Snapshot<K> begin() const { return detail::Snapshot<K>(keys()); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend class detail::ProxyAccess;
  friend Item;
  using BaseProxy::BaseProxy;
  [[nodiscard]] V get_item(const K& key) const { return run<V>("__getitem__", key); }
  void set_item(const K& key, const V& value) const { run<void>("__setitem__", key, value); }
  template <class Pairs> void update_with(const Pairs& pairs) const {
    std::vector<std::pair<K, V>> all;
    for (const auto& [key, value] : pairs) all.emplace_back(key, value);
    run<void>("update", all);
  }
};

namespace detail {
template <class K, class V>
struct Traveller<DictProxy<K, V>> : ProxyTraveller<DictProxy<K, V>, "dict"> {};
}  // namespace detail
}  // namespace multiprocessing
