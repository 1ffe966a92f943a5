// SPDX-License-Identifier: BSL-1.0
// Jobs with results of a type: one, a list, or a stream that is read while it grows.
#pragma once
#include <multiprocessing/detail/job.hpp>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>

#include <deque>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace multiprocessing::detail {

/// What a worker wrote. The results of threads are never written, and may be of any type.
template <class R> R decode_result(Decoder& from) {
  if constexpr (Message<R>) {
    return decode<R>(from);
  } else {
    throw TypeError("a result that is no message was read");
  }
}

/// A job whose result is an R when it is done.
template <class R> class ResultJob : public Job {
 public:
  using Result = R;
  using Job::Job;
  /// REQUIRES: done, without an error.
  [[nodiscard]] virtual R& value() = 0;
};
template <> class ResultJob<void> : public Job {
 public:
  using Result = void;
  using Job::Job;
};

/// The result of one item.
template <class R> class OneJob final : public ResultJob<R> {
 public:
  using ResultJob<R>::ResultJob;
  void accept(std::size_t first, std::size_t count, Decoder& results) override {
    this->accept_each(first, count, results, [this](std::size_t, Decoder& from) {
      value_.emplace(decode_result<R>(from));
    });
  }
  void put(std::size_t /*item*/, R&& value) { value_.emplace(std::move(value)); }
  R& value() override { return *value_; }

 private:
  std::optional<R> value_;
};

/// The ends of items that have no results: one of them, or all of a list.
class VoidJob final : public ResultJob<void> {
 public:
  using ResultJob<void>::ResultJob;
  void accept(std::size_t first, std::size_t count, Decoder& results) override {
    accept_each(first, count, results, [](std::size_t, Decoder&) {});
  }
};

/// The results of a known number of items, in their order.
template <class R> class ListJob final : public ResultJob<std::vector<R>> {
 public:
  ListJob(std::shared_ptr<JobHost> host, std::size_t items)
      : ResultJob<std::vector<R>>(std::move(host)), parts_(items) {}
  void accept(std::size_t first, std::size_t count, Decoder& results) override {
    this->accept_each(first, count, results,
                      [this](std::size_t i, Decoder& from) { parts_[i] = decode_result<R>(from); });
  }
  void put(std::size_t item, R&& value) { parts_[item] = std::move(value); }
  std::vector<R>& value() override {
    if constexpr (kPlain) {
      return parts_;
    } else {
      return whole_;
    }
  }

 private:
  // Threads may write neighbours at once, which the bits of a vector<bool> do not stand.
  static constexpr bool kPlain = std::is_default_constructible_v<R> &&
                                 std::is_move_assignable_v<R> && !std::is_same_v<R, bool>;
  struct Nothing {};

  void settle() override {
    if constexpr (!kPlain) {
      if (this->failed_locked()) return;
      whole_.reserve(parts_.size());
      for (auto& part : parts_) whole_.push_back(std::move(*part));
      parts_.clear();
    }
  }

  std::vector<std::conditional_t<kPlain, R, std::optional<R>>> parts_;
  std::conditional_t<kPlain, Nothing, std::vector<R>> whole_;
};

/// Results that are handed out one by one, in the order of the items or as they come.
template <class R> class StreamJob final : public Job {
 public:
  using Value = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
  using Item = std::variant<std::exception_ptr, Value>;

  StreamJob(std::shared_ptr<JobHost> host, bool ordered)
      : Job(std::move(host)), ordered_(ordered) {}

  void accept(std::size_t first, std::size_t count, Decoder& results) override {
    accept_each(first, count, results, [this](std::size_t i, Decoder& from) {
      if constexpr (std::is_void_v<R>) {
        static_cast<void>(from);
        store(i, Item(std::in_place_index<1>));
      } else {
        store(i, Item(std::in_place_index<1>, decode_result<R>(from)));
      }
    });
  }
  void put(std::size_t item, Value&& value) {
    store(item, Item(std::in_place_index<1>, std::move(value)));
  }
  void fail(std::size_t item, std::exception_ptr error) override {
    store(item, Item(std::in_place_index<0>, std::move(error)));
  }

  enum class Next { kItem, kEnd, kTimeout };
  /// Waits for the next item, of `submitted` altogether so far.
  Next next(std::size_t submitted, Item& item, Timeout timeout) {
    if (taken_ == submitted) return Next::kEnd;
    const auto satisfied = [](void* self) { return static_cast<StreamJob*>(self)->has_next(); };
    if (!wait_until(satisfied, this, timeout)) return Next::kTimeout;
    const std::lock_guard guard(mutex_);
    item = *std::move(items_.front());
    items_.pop_front();
    ++taken_;
    return Next::kItem;
  }
  [[nodiscard]] std::size_t taken() const noexcept { return taken_; }

 private:
  [[nodiscard]] bool has_next() const { return !items_.empty() && items_.front().has_value(); }
  void store(std::size_t i, Item&& item) {
    const std::lock_guard guard(mutex_);
    if (abandoned()) return;
    if (!ordered_) {
      items_.emplace_back(std::move(item));
      return;
    }
    const std::size_t at = i - taken_;
    if (items_.size() <= at) items_.resize(at + 1);
    items_[at].emplace(std::move(item));
  }

  const bool ordered_;
  std::deque<std::optional<Item>> items_;  // guarded by mutex_; ordered: the first is number taken_
  std::size_t taken_ = 0;                  // written by the reader, under mutex_
};

template <class R> struct JobsOf {
  using One = OneJob<R>;
  using List = ListJob<R>;
  using Listed = std::vector<R>;
};
template <> struct JobsOf<void> {
  using One = VoidJob;
  using List = VoidJob;
  using Listed = void;
};

}  // namespace multiprocessing::detail
