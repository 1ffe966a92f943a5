// SPDX-License-Identifier: BSL-1.0
// Results as a range that is read once, while they come. Python: the iterators of imap.
#pragma once
#include <multiprocessing/detail/async_result.hpp>
#include <multiprocessing/detail/future_waiter.hpp>
#include <multiprocessing/detail/typed_job.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

namespace multiprocessing {

namespace detail {

/// Where the items of a ResultRange come from.
class ItemSource {
 public:
  virtual ~ItemSource() = default;
  /// Hands on so many items that `wanted` or all of them have been. THROWS: what reading and
  /// encoding an item throws; from then on there are no more.
  virtual void feed(std::size_t taken) = 0;
  [[nodiscard]] virtual std::size_t submitted() const = 0;
  [[nodiscard]] virtual bool exhausted() const = 0;
};

template <class Writer, class Items> class RangeSource final : public ItemSource {
 public:
  template <class Given>
  RangeSource(std::shared_ptr<Writer> writer, Given&& items, std::uint32_t chunk,
              std::size_t window)
      : writer_(std::move(writer)),
        items_(std::forward<Given>(items)),
        next_(std::begin(items_)),
        end_(std::end(items_)),
        chunk_(chunk),
        window_(window) {}

  void feed(std::size_t taken) override {
    try {
      while (!exhausted_ && writer_->submitted() - taken < window_) feed_chunk();
    } catch (...) {
      exhausted_ = true;
      throw;
    }
  }
  std::size_t submitted() const override { return writer_->submitted(); }
  bool exhausted() const override { return exhausted_; }

 private:
  void feed_chunk() {
    try {
      for (; writer_->items() < chunk_ && next_ != end_; ++next_) writer_->add(*next_);
    } catch (...) {
      // What came before it is of the range still.
      writer_->flush();
      throw;
    }
    exhausted_ = writer_->items() < chunk_;
    writer_->flush();
  }

  const std::shared_ptr<Writer> writer_;
  Items items_;  // a reference where an lvalue was given
  decltype(std::begin(std::declval<std::remove_reference_t<Items>&>())) next_;
  decltype(std::end(std::declval<std::remove_reference_t<Items>&>())) end_;
  const std::uint32_t chunk_;
  const std::size_t window_;
  bool exhausted_ = false;
};

template <class Writer, class Items>
std::unique_ptr<ItemSource> make_source(std::shared_ptr<Writer> writer, Items&& items,
                                        std::uint32_t chunk, std::size_t window) {
  return std::make_unique<RangeSource<Writer, Items>>(std::move(writer), std::forward<Items>(items),
                                                      chunk, window);
}

}  // namespace detail

/// Results one by one: `for (auto result : pool.imap(f, items))`, or next(). It has one reader.
/// When it goes, what has not begun is dropped.
template <class R> class ResultRange {
 public:
  /// What there is for one item; of a function that returns nothing an empty one.
  using value_type = typename detail::StreamJob<R>::Value;

  /// `timeout`: from now on, for all that is read by iterating.
  ResultRange(std::shared_ptr<detail::StreamJob<R>> job, std::unique_ptr<detail::ItemSource> source,
              Timeout timeout)
      : job_(std::move(job)), source_(std::move(source)), limit_(timeout) {
    feed();
  }
  ResultRange(ResultRange&&) noexcept = default;
  ResultRange& operator=(ResultRange&& other) noexcept {
    // What this one had goes as a range does.
    ResultRange taken(std::move(other));
    std::swap(job_, taken.job_);
    std::swap(source_, taken.source_);
    std::swap(error_, taken.error_);
    std::swap(limit_, taken.limit_);
    return *this;
  }
  ~ResultRange() {
    if (job_ != nullptr) job_->abandon();
  }

  /// The next result; none at the end. THROWS what that task threw, or what reading its item threw;
  /// TimeoutError when the time is over. In each case it may be called again.
  std::optional<value_type> next(Timeout timeout = forever) {
    using Job = detail::StreamJob<R>;
    feed();
    typename Job::Item item;
    switch (job_->next(source_->submitted(), item, timeout)) {
      case Job::Next::kTimeout:
        detail::fail_not_in_time(timeout);
      case Job::Next::kEnd:
        if (const auto error = std::exchange(error_, nullptr)) std::rethrow_exception(error);
        return std::nullopt;
      case Job::Next::kItem:
        break;
    }
    if (item.index() == 0) detail::fail_unless_ending(std::get<0>(item));
    return std::get<1>(std::move(item));
  }

  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = typename ResultRange::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = value_type*;
    using reference = value_type&;
    iterator() = default;
    explicit iterator(ResultRange& range) : range_(&range) { ++*this; }
    value_type& operator*() { return *value_; }
    value_type* operator->() { return &*value_; }
    iterator& operator++() {
      value_ = range_->next(range_->limit_.left());
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& it, std::default_sentinel_t) { return !it.value_; }

   private:
    ResultRange* range_ = nullptr;
    std::optional<value_type> value_;
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 private:
  void feed() {
    if (error_ != nullptr || source_->exhausted()) return;
    try {
      source_->feed(job_->taken());
    } catch (...) {
      error_ = std::current_exception();
    }
  }

  std::shared_ptr<detail::StreamJob<R>> job_;
  std::unique_ptr<detail::ItemSource> source_;
  std::exception_ptr error_;  // of the items: comes when the results before it have been read
  detail::WaitLimit limit_;
};

}  // namespace multiprocessing
