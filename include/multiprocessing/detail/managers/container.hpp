// SPDX-License-Identifier: BSL-1.0
// What the proxies of containers have in common.
#pragma once
#include <multiprocessing/detail/managers/proxy_call.hpp>
#include <multiprocessing/detail/managers/referent.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing::detail {

/// A value within a container that is printed, as Python's repr().
template <class T> [[nodiscard]] std::string repr_of(const T& value) {
  if constexpr (kHasObjectForm<T>) {
    return Object(value).repr();
  } else if constexpr (ProxyType<T>) {
    return value.repr();
  } else if constexpr (requires(std::ostream & out) { out << value; }) {
    std::ostringstream out;
    out << value;
    return out.str();
  } else {
    return "<" + type_name<T>() + ">";
  }
}

/// What `proxy[key]` is: read it as a V, assign a V to it. Each of it is a call.
template <class Proxy, class Key, class V> class ProxyItem {
 public:
  using message_type = V;  // what is sent, or kept as an argument

  ProxyItem(Proxy proxy, Key key) : proxy_(std::move(proxy)), key_(std::move(key)) {}
  ProxyItem(const ProxyItem&) = delete;

  [[nodiscard]] V get() const { return proxy_.get_item(key_); }
  operator V() const { return get(); }
  const ProxyItem& operator=(const V& value) const {
    proxy_.set_item(key_, value);
    return *this;
  }
  const ProxyItem& operator=(const ProxyItem& other) const { return *this = other.get(); }
  /// A read and a write, as in Python: what others write in between is lost.
  template <class T> const ProxyItem& operator+=(const T& more) const {
    return *this = static_cast<V>(get() + more);
  }
  template <class T> const ProxyItem& operator-=(const T& less) const {
    return *this = static_cast<V>(get() - less);
  }
  const ProxyItem& operator++() const { return *this += 1; }

  /// Of an element that has elements: `d["list"][0]`, which can be assigned to where it is a proxy.
  template <class Index> [[nodiscard]] auto operator[](const Index& index) const {
    return get()[index];
  }

  /// Of an Object: its value as a T.
  template <class T> [[nodiscard]] T as() const { return get().template as<T>(); }
  template <class T> [[nodiscard]] bool is() const { return get().template is<T>(); }
  /// Members of the element: `d["list"]->append(1)` where the elements are proxies.
  [[nodiscard]] auto operator->() const {
    struct Arrow {
      V value;
      V* operator->() noexcept { return &value; }
    };
    return Arrow{get()};
  }

  friend bool operator==(const ProxyItem& item, const V& value) { return item.get() == value; }
  friend std::ostream& operator<<(std::ostream& out, const ProxyItem& item) {
    return out << printed(item.get());
  }
  [[nodiscard]] std::string str() const { return printed(get()); }

 private:
  [[nodiscard]] static std::string printed(const V& value) {
    if constexpr (kHasObjectForm<V>) {
      return Object(value).str();
    } else {
      return repr_of(value);
    }
  }

  Proxy proxy_;
  Key key_;
};

/// Iterates a copy that was fetched when the loop began.
template <class T> class Snapshot {
 public:
  using value_type = T;
  using difference_type = std::ptrdiff_t;
  using reference = T;
  using iterator_category = std::input_iterator_tag;

  Snapshot() = default;
  explicit Snapshot(std::vector<T> items)
      : items_(std::make_shared<std::vector<T>>(std::move(items))) {}
  T operator*() const { return (*items_)[at_]; }
  Snapshot& operator++() { return (++at_, *this); }
  void operator++(int) { ++at_; }
  friend bool operator==(const Snapshot& it, std::default_sentinel_t) {
    return it.items_ == nullptr || it.at_ == it.items_->size();
  }

 private:
  std::shared_ptr<std::vector<T>> items_;
  std::size_t at_ = 0;
};

/// A container of the server's own, or one of the program that it refers to.
template <class C> class Holder {
 public:
  Holder() : own_(std::make_unique<C>()), used_(own_.get()) {}
  explicit Holder(C&& value) : own_(std::make_unique<C>(std::move(value))), used_(own_.get()) {}
  explicit Holder(C* used) : used_(used) {}
  C& operator*() const noexcept { return *used_; }
  C* operator->() const noexcept { return used_; }

 private:
  std::unique_ptr<C> own_;
  C* used_;
};

/// A vector of the elements of any range, or of those of another proxy.
template <class T, class Range> [[nodiscard]] std::vector<T> elements_of(const Range& range) {
  std::vector<T> items;
  for (auto&& item : range) items.push_back(static_cast<T>(item));
  return items;
}

/// The elements of an iterable argument. A Python caller's dict gives its keys, as there.
template <class T> [[nodiscard]] std::vector<T> items_arg(ServerCall& call) {
  if (!call.python()) return call.arg<std::vector<T>>();
  const auto given = call.arg<Object>();
  std::vector<T> items;
  for (const Object& item : given) items.push_back(from_object<T>(item));
  return items;
}

/// The pairs of an argument: a list of them, or a Python caller's dict.
template <class K, class V> [[nodiscard]] std::vector<std::pair<K, V>> pairs_arg(ServerCall& call) {
  using Pairs = std::vector<std::pair<K, V>>;
  if (!call.python()) return call.arg<Pairs>();
  const auto given = call.arg<Object>();
  Pairs pairs;
  if (given.kind() != Object::Kind::kDict) return from_object<Pairs>(given);
  for (const auto& [key, value] : given.items()) {
    pairs.emplace_back(from_object<K>(key), from_object<V>(value));
  }
  return pairs;
}

}  // namespace multiprocessing::detail

template <class Proxy, class Key, class V>
struct fmt::formatter<multiprocessing::detail::ProxyItem<Proxy, Key, V>>
    : multiprocessing::detail::TextFormatter {
  fmt::format_context::iterator format(
      const multiprocessing::detail::ProxyItem<Proxy, Key, V>& item,
      fmt::format_context& context) const {
    return format_text(item.str(), context);
  }
};
