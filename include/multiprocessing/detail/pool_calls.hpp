// SPDX-License-Identifier: BSL-1.0
// The calls that every kind of pool has: apply, map, starmap, imap and their asynchronous forms.
//
// `Pool` gives them host(), workers(), require_open(), Attention and Writer<F, Item, style>, which
// takes the items of a job, chunk by chunk.
#pragma once
#include <multiprocessing/detail/async_result.hpp>
#include <multiprocessing/detail/pool_handle.hpp>
#include <multiprocessing/detail/pool_task.hpp>
#include <multiprocessing/detail/progress.hpp>
#include <multiprocessing/detail/result_range.hpp>
#include <multiprocessing/detail/typed_job.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing {

/// The last argument of apply and apply_async, where it is needed.
struct TaskOptions {
  Timeout timeout = forever;  ///< of the task, from its begin: then its worker is stopped
};

/// The last argument of map, starmap and their asynchronous forms.
struct MapOptions {
  std::int64_t chunksize = 0;  ///< items that go to a worker at once; 0: a quarter of its share
  Timeout timeout = forever;   ///< of each item, from its begin: then its worker is stopped
  bool progress = false;       ///< draws one line on standard error, if that is a terminal
  /// Called with the items that have ended and how many there are; in the pool's result thread, now
  /// and then and at the end.
  std::function<void(std::size_t done, std::size_t total)> on_progress = {};
};

namespace detail {

/// What an iterator gives, which may only stand for it (the bits of a vector<bool>).
template <class Iterator> struct IteratorValue {
  using type = std::remove_cvref_t<decltype(*std::declval<Iterator&>())>;
};
template <class Iterator>
requires requires { typename std::iterator_traits<Iterator>::value_type; }
struct IteratorValue<Iterator> {
  using type = std::remove_cv_t<typename std::iterator_traits<Iterator>::value_type>;
};
template <class Items>
using item_type_t = message_type_t<
    typename IteratorValue<std::decay_t<decltype(std::begin(std::declval<Items&>()))>>::type>;

template <class Items>
concept Iterable = requires(Items& items) {
  std::begin(items) != std::end(items);
};

/// Arguments, and whether options stand behind them.
template <class... Args> inline constexpr bool kOptionsLast = false;
template <class Last>
inline constexpr bool kOptionsLast<Last> = std::is_same_v<std::remove_cvref_t<Last>, TaskOptions>;
template <class First, class Second, class... Rest>
inline constexpr bool kOptionsLast<First, Second, Rest...> = kOptionsLast<Second, Rest...>;

template <class F, class Item, Style style> consteval void check_call() {
  static_assert(kCallable<F, Item, style>,
                "multiprocessing: the task cannot be called with these arguments: they arrive as "
                "rvalues of their decayed types, string literals as std::string; starmap takes "
                "tuples of the arguments.");
}

template <class Pool> class PoolCalls {
 public:
  /// Has a worker call the function with these arguments, and waits for what it returns.
  /// THROWS: what the task threw, as the library's own type or RemoteError; WorkerLost if its
  /// worker ended; TimeoutError (see TaskOptions, which may stand last); ValueError after close();
  /// what the serialisation of the arguments throws.
  template <class F, class... Args> auto apply(F&& function, Args&&... args) const {
    return result_of(apply_job(false, std::forward<F>(function), std::forward<Args>(args)...))
        .take();
  }

  /// The same without waiting.
  template <class F, class... Args> auto apply_async(F&& function, Args&&... args) const {
    return result_of(apply_job(true, std::forward<F>(function), std::forward<Args>(args)...));
  }

  /// Has the workers call the function with each item; gives the results in the order of the items,
  /// nothing if it returns nothing. THROWS the first error when all items have ended.
  template <class F, Iterable Items>
  auto map(F&& function, Items&& items, MapOptions options = {}) const {
    return map_as<Style::kWhole>(false, std::forward<F>(function), items, std::move(options))
        .take();
  }
  template <class F, Iterable Items>
  auto map(F&& function, Items&& items, std::int64_t chunksize) const {
    return map(std::forward<F>(function), items,
               MapOptions{.chunksize = checked_chunksize(chunksize)});
  }
  template <class F, class T>
  auto map(F&& function, std::initializer_list<T> items, MapOptions options = {}) const {
    return map_as<Style::kWhole>(false, std::forward<F>(function), items, std::move(options))
        .take();
  }

  /// The same without waiting; the items have been read when it returns.
  template <class F, Iterable Items>
  auto map_async(F&& function, Items&& items, MapOptions options = {}) const {
    return map_as<Style::kWhole>(true, std::forward<F>(function), items, std::move(options));
  }
  template <class F, Iterable Items>
  auto map_async(F&& function, Items&& items, std::int64_t chunksize) const {
    return map_async(std::forward<F>(function), items,
                     MapOptions{.chunksize = checked_chunksize(chunksize)});
  }
  template <class F, class T>
  auto map_async(F&& function, std::initializer_list<T> items, MapOptions options = {}) const {
    return map_as<Style::kWhole>(true, std::forward<F>(function), items, std::move(options));
  }

  /// map with items that are tuples or pairs of arguments.
  template <class F, Iterable Items>
  auto starmap(F&& function, Items&& items, MapOptions options = {}) const {
    return map_as<Style::kSpread>(false, std::forward<F>(function), items, std::move(options))
        .take();
  }
  template <class F, Iterable Items>
  auto starmap(F&& function, Items&& items, std::int64_t chunksize) const {
    return starmap(std::forward<F>(function), items,
                   MapOptions{.chunksize = checked_chunksize(chunksize)});
  }
  template <class F, class T>
  auto starmap(F&& function, std::initializer_list<T> items, MapOptions options = {}) const {
    return map_as<Style::kSpread>(false, std::forward<F>(function), items, std::move(options))
        .take();
  }
  template <class F, Iterable Items>
  auto starmap_async(F&& function, Items&& items, MapOptions options = {}) const {
    return map_as<Style::kSpread>(true, std::forward<F>(function), items, std::move(options));
  }
  template <class F, Iterable Items>
  auto starmap_async(F&& function, Items&& items, std::int64_t chunksize) const {
    return starmap_async(std::forward<F>(function), items,
                         MapOptions{.chunksize = checked_chunksize(chunksize)});
  }

  /// A range of the results in the order of the items. The items are read as the results are: it
  /// keeps only a few ahead, so that they may be endless. What reading an item throws comes at its
  /// position. An lvalue of items has to live as long as the range; the range has one reader.
  template <class F, Iterable Items>
  auto imap(F&& function, Items&& items, std::int64_t chunksize = 1) const {
    return read_lazily(true, std::forward<F>(function), std::forward<Items>(items), chunksize);
  }

  /// The same in the order in which the results come.
  template <class F, Iterable Items>
  auto imap_unordered(F&& function, Items&& items, std::int64_t chunksize = 1) const {
    return read_lazily(false, std::forward<F>(function), std::forward<Items>(items), chunksize);
  }

 protected:
  template <class F, class... Args>
  auto apply_job(bool unattended, F&& function, Args&&... args) const {
    if constexpr (kOptionsLast<Args...>) {
      return [&]<std::size_t... I>(std::index_sequence<I...>, auto&& all) {
        return apply_with(unattended, std::get<sizeof...(I)>(all), std::forward<F>(function),
                          std::get<I>(std::forward<decltype(all)>(all))...);
      }
      (std::make_index_sequence<sizeof...(Args) - 1>(),
       std::forward_as_tuple(std::forward<Args>(args)...));
    } else {
      return apply_with(unattended, TaskOptions{}, std::forward<F>(function),
                        std::forward<Args>(args)...);
    }
  }

  /// As imap, with `buffer` items handed on ahead of the reader, all of them at once where it is 0,
  /// and with one limit in time for all results.
  template <class F, class Items>
  auto ahead(F&& function, Items&& items, std::int64_t chunksize, std::int64_t buffer,
             Timeout timeout) const {
    const auto chunk = static_cast<std::size_t>(checked_chunksize(chunksize));
    const std::size_t window =
        buffer == 0 ? SIZE_MAX : static_cast<std::size_t>(checked_chunksize(buffer));
    return stream(true, true, std::forward<F>(function), std::forward<Items>(items), chunk, window,
                  timeout);
  }

 private:
  template <class AnyJob> static auto result_of(std::shared_ptr<AnyJob> job) {
    return AsyncResult<typename AnyJob::Result>(std::move(job));
  }
  [[nodiscard]] const Pool& self() const noexcept { return static_cast<const Pool&>(*this); }

  template <class F, class... Args>
  auto apply_with(bool unattended, const TaskOptions& options, F&& function, Args&&... args) const {
    using Item = std::tuple<message_type_t<Args>...>;
    check_call<std::decay_t<F>, Item, Style::kSpread>();
    using R = task_result_t<std::decay_t<F>, Item, Style::kSpread>;
    auto job = std::make_shared<typename JobsOf<R>::One>(self().handle().host());
    job->unattended = unattended;
    typename Pool::template Writer<std::decay_t<F>, Item, Style::kSpread> writer(
        self().handle(), job, std::forward<F>(function), TaskLimits{options.timeout});
    writer.add(Item(std::forward<Args>(args)...));
    job->expect(1);
    hand_over(unattended, writer);
    return job;
  }

  // Who waits for what it hands over attends to results meanwhile; but not while it reads items,
  // which may wait for other calls.
  template <class Writer> void hand_over(bool unattended, Writer& writer) const {
    if (unattended) return writer.flush();
    const typename Pool::Attention attention(self().handle());
    writer.flush();
  }

  template <Style style, class F, class Items>
  auto map_as(bool unattended, F&& function, Items& items, MapOptions options) const {
    if constexpr (requires { std::size(items); }) {
      return map_sized<style>(unattended, std::forward<F>(function), items,
                              static_cast<std::size_t>(std::size(items)), std::move(options));
    } else {
      std::vector<item_type_t<Items>> all;
      for (auto&& item : items) all.emplace_back(std::forward<decltype(item)>(item));
      return map_sized<style>(unattended, std::forward<F>(function), all, all.size(),
                              std::move(options));
    }
  }

  template <Style style, class F, class Items>
  auto map_sized(bool unattended, F&& function, Items& items, std::size_t size,
                 MapOptions options) const {
    using Item = item_type_t<Items>;
    check_call<std::decay_t<F>, Item, style>();
    using R = task_result_t<std::decay_t<F>, Item, style>;
    const auto job = make_list<R>(size);
    job->unattended = unattended;
    if (options.progress || options.on_progress) {
      job->on_progress(make_progress(size, options.progress, std::move(options.on_progress)));
    }
    typename Pool::template Writer<std::decay_t<F>, Item, style> writer(
        self().handle(), job, std::forward<F>(function), TaskLimits{options.timeout});
    const std::uint32_t chunk = chunk_of(size, options.chunksize);
    job->expect(size);
    try {
      for (auto&& item : items) {
        writer.add(std::forward<decltype(item)>(item));
        if (writer.items() >= chunk) hand_over(unattended, writer);
      }
      hand_over(unattended, writer);
    } catch (...) {
      job->abandon();
      throw;
    }
    return AsyncResult<typename JobsOf<R>::Listed>(job);
  }

  template <class R> auto make_list(std::size_t size) const {
    if constexpr (std::is_void_v<R>) {
      return std::make_shared<VoidJob>(self().handle().host());
    } else {
      return std::make_shared<ListJob<R>>(self().handle().host(), size);
    }
  }

  // As Python: four chunks for each worker.
  [[nodiscard]] std::uint32_t chunk_of(std::size_t size, std::int64_t chunksize) const {
    constexpr std::size_t kMost = 0x7fff'fffe;
    if (chunksize != 0) {
      return static_cast<std::uint32_t>(
          std::min(static_cast<std::size_t>(checked_chunksize(chunksize)), kMost));
    }
    const std::size_t parts = std::size_t{4} * self().handle().workers();
    return static_cast<std::uint32_t>(
        std::min(std::max<std::size_t>((size + parts - 1) / parts, 1), kMost));
  }

  template <class F, class Items>
  auto read_lazily(bool ordered, F&& function, Items&& items, std::int64_t chunksize) const {
    const auto chunk = static_cast<std::size_t>(checked_chunksize(chunksize));
    const std::size_t window = chunk * (std::size_t{4} * self().handle().workers() + 12);
    return stream(ordered, false, std::forward<F>(function), std::forward<Items>(items), chunk,
                  window, forever);
  }

  template <class F, class Items>
  auto stream(bool ordered, bool unattended, F&& function, Items&& items, std::size_t chunk,
              std::size_t window, Timeout timeout) const {
    using Item = item_type_t<Items>;
    check_call<std::decay_t<F>, Item, Style::kWhole>();
    using R = task_result_t<std::decay_t<F>, Item, Style::kWhole>;
    auto job = std::make_shared<StreamJob<R>>(self().handle().host(), ordered);
    job->unattended = unattended;
    using Writer = typename Pool::template Writer<std::decay_t<F>, Item, Style::kWhole>;
    auto writer =
        std::make_shared<Writer>(self().handle(), job, std::forward<F>(function), TaskLimits{});
    return ResultRange<R>(std::move(job),
                          make_source(std::move(writer), std::forward<Items>(items),
                                      static_cast<std::uint32_t>(chunk), window),
                          timeout);
  }
};

}  // namespace detail
}  // namespace multiprocessing
