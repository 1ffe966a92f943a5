// SPDX-License-Identifier: BSL-1.0
// A list in the server, and its proxy.
#pragma once
#include <multiprocessing/detail/managers/container.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <limits>
#include <mutex>
#include <optional>
#include <ranges>
#include <utility>
#include <vector>

namespace multiprocessing {
namespace detail {

/// A Python index within `size` elements. THROWS: IndexError.
[[nodiscard]] std::size_t checked_index(std::int64_t index, std::size_t size,
                                        std::string_view what);
/// One end of a slice, or where insert() puts something: never out of range.
[[nodiscard]] std::size_t clamped_index(std::int64_t index, std::size_t size) noexcept;

/// What a Python caller's `l[from:to]` stands for; none if it is an index. THROWS: ValueError for a
/// step.
[[nodiscard]] std::optional<std::pair<std::size_t, std::size_t>> slice_in(const Object& index,
                                                                          std::size_t size);

/// A vector of bool is none of bools.
template <class T>
using ListItems = std::conditional_t<std::is_same_v<T, bool>, std::deque<T>, std::vector<T>>;

template <class Items> class ListReferent final : public Referent {
 public:
  using T = typename Items::value_type;
  static constexpr MethodName kTypeId = "list";
  static constexpr std::uint64_t kKey = referent_key<T>(kTypeId);

  explicit ListReferent(ServerCall& call) {
    if (call.has_next()) append_all(items_arg<T>(call));
  }
  explicit ListReferent(Holder<Items> items) : items_(std::move(items)) {}

  [[nodiscard]] std::string_view type_id() const override { return kTypeId.text; }
  [[nodiscard]] std::span<const Method> methods() const override {
    using Self = ListReferent;
    static constexpr Method kMethods[] = {
        {"__getitem__", "index", run_method<Self, &Self::get_item>},
        {"__setitem__", "index,value", run_method<Self, &Self::set_item>},
        {"__delitem__", "index", run_method<Self, &Self::erase>},
        {"__len__", "", run_method<Self, &Self::size>},
        {"__contains__", "value", run_method<Self, &Self::contains>},
        {"append", "object", run_method<Self, &Self::append>},
        {"extend", "iterable", run_method<Self, &Self::extend>},
        {"insert", "index,object", run_method<Self, &Self::insert>},
        {"pop", "index", run_method<Self, &Self::pop>},
        {"remove", "value", run_method<Self, &Self::remove>},
        {"index", "value,start,stop", run_method<Self, &Self::index>},
        {"count", "value", run_method<Self, &Self::count>},
        {"reverse", "", run_method<Self, &Self::reverse>},
        {"sort", "key,reverse", run_method<Self, &Self::sort>},
        {"slice", "start,stop", run_method<Self, &Self::slice>},
        {"copy", "", run_method<Self, &Self::copy>},
        {"clear", "", run_method<Self, &Self::clear>},
        {"__add__", "value", run_method<Self, &Self::add>},
        {"__mul__", "value", run_method<Self, &Self::multiply>},
        {"__rmul__", "value", run_method<Self, &Self::multiply>},
        {"__imul__", "value", run_method<Self, &Self::multiply_in_place>},
    };
    return kMethods;
  }
  [[nodiscard]] std::string print() const override {
    const std::lock_guard guard(mutex_);
    std::string text = "[";
    for (const T& item : *items_) text += (text.size() > 1 ? ", " : "") + repr_of(item);
    return text + "]";
  }
  [[nodiscard]] Object value() const override {
    if constexpr (kHasObjectForm<T>) {
      const std::lock_guard guard(mutex_);
      return Object::list(*items_);
    } else {
      return Referent::value();
    }
  }

 private:
  using Lock = std::lock_guard<std::mutex>;
  auto place(std::size_t at) { return items_->begin() + static_cast<std::ptrdiff_t>(at); }
  void append_all(std::vector<T> more) {
    const Lock guard(mutex_);
    items_->insert(items_->end(), std::make_move_iterator(more.begin()),
                   std::make_move_iterator(more.end()));
  }
  std::size_t find_value(const T& value, std::int64_t from, std::int64_t to) const {
    if constexpr (std::equality_comparable<T>) {
      const std::size_t end = clamped_index(to, items_->size());
      for (std::size_t i = clamped_index(from, items_->size()); i < end; ++i) {
        if ((*items_)[i] == value) return i;
      }
      return SIZE_MAX;
    } else {
      throw TypeError("list: " + type_name<T>() + " has no operator==");
    }
  }
  static constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

  void get_item(ServerCall& call) {
    if (call.python()) return get_for_python(call);
    const auto index = call.arg<std::int64_t>();
    const Lock guard(mutex_);
    call.reply<T>((*items_)[checked_index(index, items_->size(), "list index")]);
  }
  void get_for_python(ServerCall& call) {
    const auto index = call.arg<Object>();
    const Lock guard(mutex_);
    if (const auto range = slice_in(index, items_->size())) {
      return call.reply(std::vector<T>(place(range->first), place(range->second)));
    }
    call.reply<T>((*items_)[checked_index(index.as<std::int64_t>(), items_->size(), "list index")]);
  }
  void set_item(ServerCall& call) {
    if (call.python()) return set_for_python(call);
    const auto index = call.arg<std::int64_t>();
    set(index, call.arg<T>());
  }
  void set(std::int64_t index, T value) {
    const Lock guard(mutex_);
    (*items_)[checked_index(index, items_->size(), "list assignment index")] = std::move(value);
  }
  void set_for_python(ServerCall& call) {
    const auto index = call.arg<Object>();
    if (!slice_in(index, 0)) return set(index.as<std::int64_t>(), call.arg<T>());
    auto values = items_arg<T>(call);
    const Lock guard(mutex_);
    const auto [begin, end] = *slice_in(index, items_->size());
    // What may throw comes first.
    Items changed(place(0), place(begin));
    changed.insert(changed.end(), std::make_move_iterator(values.begin()),
                   std::make_move_iterator(values.end()));
    changed.insert(changed.end(), place(end), items_->end());
    *items_ = std::move(changed);
  }
  void erase(ServerCall& call) {
    const auto index = call.python() ? call.arg<Object>() : Object(call.arg<std::int64_t>());
    const Lock guard(mutex_);
    if (const auto range = slice_in(index, items_->size())) {
      items_->erase(place(range->first), place(range->second));
      return;
    }
    items_->erase(
        place(checked_index(index.as<std::int64_t>(), items_->size(), "list assignment index")));
  }
  void size(ServerCall& call) {
    const Lock guard(mutex_);
    call.reply<std::uint64_t>(items_->size());
  }
  void contains(ServerCall& call) {
    const auto value = call.arg<T>();
    const Lock guard(mutex_);
    call.reply(find_value(value, 0, kEnd) != SIZE_MAX);
  }
  void append(ServerCall& call) {
    auto value = call.arg<T>();
    const Lock guard(mutex_);
    items_->push_back(std::move(value));
  }
  void extend(ServerCall& call) { append_all(items_arg<T>(call)); }
  void insert(ServerCall& call) {
    const auto index = call.arg<std::int64_t>();
    auto value = call.arg<T>();
    const Lock guard(mutex_);
    items_->insert(place(clamped_index(index, items_->size())), std::move(value));
  }
  void pop(ServerCall& call) {
    const auto index = call.arg_or<std::int64_t>(-1);
    const Lock guard(mutex_);
    if (items_->empty()) throw IndexError("pop from empty list");
    const auto where = place(checked_index(index, items_->size(), "pop index"));
    call.reply<T>(*where);
    items_->erase(where);
  }
  void remove(ServerCall& call) {
    const auto value = call.arg<T>();
    const Lock guard(mutex_);
    const std::size_t at = find_value(value, 0, kEnd);
    if (at == SIZE_MAX) throw ValueError("list.remove(x): x not in list");
    items_->erase(place(at));
  }
  void index(ServerCall& call) {
    const auto value = call.arg<T>();
    const auto from = call.arg_or<std::int64_t>(0);
    const auto to = call.arg_or<std::int64_t>(kEnd);
    const Lock guard(mutex_);
    const std::size_t at = find_value(value, from, to);
    if (at == SIZE_MAX) throw ValueError(repr_of(value) + " is not in list");
    call.reply<std::uint64_t>(at);
  }
  void count(ServerCall& call) {
    const auto value = call.arg<T>();
    const Lock guard(mutex_);
    if constexpr (std::equality_comparable<T>) {
      call.reply(static_cast<std::uint64_t>(std::count(items_->begin(), items_->end(), value)));
    } else {
      static_cast<void>(find_value(value, 0, 0));
    }
  }
  void reverse(ServerCall& /*call*/) {
    const Lock guard(mutex_);
    std::reverse(items_->begin(), items_->end());
  }
  void sort(ServerCall& call) {
    if (!call.arg_or<Object>(nullptr).is_none()) {
      throw TypeError("list: sort takes no key in this server");
    }
    const auto descending = call.arg_or<bool>(false);
    const Lock guard(mutex_);
    if constexpr (requires(const T& a, const T& b) { a < b; }) {
      const auto before = [&](const T& a, const T& b) { return descending ? b < a : a < b; };
      // A comparison that throws must not leave a torn list.
      Items sorted = *items_;
      std::stable_sort(sorted.begin(), sorted.end(), before);
      *items_ = std::move(sorted);
    } else {
      throw TypeError("list: " + type_name<T>() + " has no operator<");
    }
  }
  void slice(ServerCall& call) {
    const auto from = call.arg<std::int64_t>();
    const auto to = call.arg<std::int64_t>();
    const Lock guard(mutex_);
    const std::size_t begin = clamped_index(from, items_->size());
    const std::size_t end = std::max(begin, clamped_index(to, items_->size()));
    call.reply(std::vector<T>(place(begin), place(end)));
  }
  void copy(ServerCall& call) {
    const Lock guard(mutex_);
    call.reply(std::vector<T>(items_->begin(), items_->end()));
  }
  void clear(ServerCall& /*call*/) {
    const Lock guard(mutex_);
    items_->clear();
  }
  void add(ServerCall& call) {
    const auto more = items_arg<T>(call);
    const Lock guard(mutex_);
    std::vector<T> all(items_->begin(), items_->end());
    all.insert(all.end(), more.begin(), more.end());
    call.reply(all);
  }
  // REQUIRES: mutex_ is held.
  template <class All> [[nodiscard]] All repeated(std::int64_t times) const {
    const auto n = static_cast<std::size_t>(std::max<std::int64_t>(times, 0));
    All all;
    if (n > all.max_size() / std::max<std::size_t>(items_->size(), 1)) {
      throw MemoryError("list: so many repetitions have no room in memory");
    }
    if constexpr (requires { all.reserve(n); }) all.reserve(n * items_->size());
    for (std::size_t i = 0; i < n && !items_->empty(); ++i) {
      all.insert(all.end(), items_->begin(), items_->end());
    }
    return all;
  }
  void multiply(ServerCall& call) {
    const auto times = call.arg<std::int64_t>();
    const Lock guard(mutex_);
    call.reply(repeated<std::vector<T>>(times));
  }
  void multiply_in_place(ServerCall& call) {
    const auto times = call.arg<std::int64_t>();
    const Lock guard(mutex_);
    *items_ = repeated<Items>(times);
  }

  mutable std::mutex mutex_;
  Holder<Items> items_;  // guarded by mutex_
};

}  // namespace detail

/// A list in a manager's server. Negative indices count from the end. Python: `ListProxy`.
template <class T = Object> class ListProxy : public BaseProxy {
 public:
  using value_type = T;
  using Item = detail::ProxyItem<ListProxy, std::int64_t, T>;

  ListProxy() = default;

  /// `l[i] = v`, `T v = l[i]`. THROWS, when it is used: IndexError.
  Item operator[](std::int64_t index) const { return Item(*this, index); }
  /// THROWS: IndexError.
  [[nodiscard]] T at(std::int64_t index) const { return get_item(index); }
  void append(const T& value) const { run<void>("append", value); }
  void extend(std::initializer_list<T> items) const { run<void>("extend", std::vector<T>(items)); }
  template <std::ranges::input_range Range> void extend(const Range& items) const {
    run<void>("extend", detail::elements_of<T>(items));
  }
  /// Before that index; beyond the ends: at the end.
  void insert(std::int64_t index, const T& value) const { run<void>("insert", index, value); }
  /// THROWS: IndexError.
  T pop(std::int64_t index = -1) const { return run<T>("pop", index); }
  void erase(std::int64_t index) const { run<void>("__delitem__", index); }
  /// The first that is equal. THROWS: ValueError if there is none.
  void remove(const T& value) const { run<void>("remove", value); }
  /// The index of the first that is equal. THROWS: ValueError if there is none.
  [[nodiscard]] std::size_t index(const T& value) const {
    return run<std::uint64_t>("index", value);
  }
  [[nodiscard]] std::size_t index(const T& value, std::int64_t from) const {
    return run<std::uint64_t>("index", value, from);
  }
  [[nodiscard]] std::size_t index(const T& value, std::int64_t from, std::int64_t to) const {
    return run<std::uint64_t>("index", value, from, to);
  }
  [[nodiscard]] std::size_t count(const T& value) const {
    return run<std::uint64_t>("count", value);
  }
  [[nodiscard]] bool contains(const T& value) const { return run<bool>("__contains__", value); }
  void reverse() const { run<void>("reverse"); }
  void sort(detail::ExactlyBool auto descending) const { run<void>("sort", nullptr, descending); }
  void sort() const { run<void>("sort"); }
  [[nodiscard]] std::size_t size() const { return run<std::uint64_t>("__len__"); }
  [[nodiscard]] bool empty() const { return size() == 0; }
  /// Python's l[from:to].
  [[nodiscard]] std::vector<T> slice(std::int64_t from, std::int64_t to) const {
    if (!of_python()) return run<std::vector<T>>("slice", from, to);
    const auto all = copy();
    const std::size_t begin = detail::clamped_index(from, all.size());
    const std::size_t end = std::max(begin, detail::clamped_index(to, all.size()));
    return std::vector<T>(all.begin() + static_cast<std::ptrdiff_t>(begin),
                          all.begin() + static_cast<std::ptrdiff_t>(end));
  }
  [[nodiscard]] std::vector<T> copy() const {
    return of_python() ? run<std::vector<T>>("#GETVALUE") : run<std::vector<T>>("copy");
  }
  void clear() const { run<void>("clear"); }

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

namespace detail {
template <class T> struct Traveller<ListProxy<T>> : ProxyTraveller<ListProxy<T>, "list"> {};
}  // namespace detail
}  // namespace multiprocessing
