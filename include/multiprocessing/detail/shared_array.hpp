// SPDX-License-Identifier: BSL-1.0
// What a RawArray and an Array have in common: a fixed number of T in shared memory.
#pragma once
#include <multiprocessing/detail/shareable.hpp>
#include <multiprocessing/detail/shared_data.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <ranges>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing::detail {

/// An array of these is a text too, as Python's arrays of 'c' and 'u' are.
template <class T>
concept TextElement = std::same_as<T, char> || std::same_as<T, wchar_t>;

template <class R, class T>
concept TextFor = TextElement<T> && std::is_convertible_v<R, std::basic_string_view<T>>;

template <class R, class T>
concept ElementsFor = std::ranges::input_range<R> &&
    std::is_convertible_v<std::ranges::range_reference_t<R>, T> && !TextFor<R, T>;

template <class N>
concept SizeNumber =
    std::integral<std::remove_cvref_t<N>> && !std::same_as<std::remove_cvref_t<N>, bool>;

/// What an array is made of, for the time of the call: a size, a range or a text.
template <class T> class ArraySource {
 public:
  template <SizeNumber N>
  requires std::is_default_constructible_v<T> ArraySource(N size)
      : count_(std::in_range<std::int64_t>(size) ? checked_size(static_cast<std::int64_t>(size))
                                                 : std::numeric_limits<std::size_t>::max()) {
    if constexpr (!std::is_trivially_default_constructible_v<T>) {
      construct_ = [](void* data, const ArraySource& self) {
        std::uninitialized_value_construct_n(static_cast<T*>(data), self.count_);
      };
    }
  }

  template <class R>
  requires ElementsFor<R&, T> ArraySource(R&& range) {
    if constexpr (std::ranges::sized_range<R&>) {
      from(range);
    } else {
      for (auto&& element : range) copies_.push_back(static_cast<T>(element));
      from(copies_);
    }
  }

  template <class R>
  requires TextFor<R, T> ArraySource(const R& text) : text_(text) { from(text_); }

  ArraySource(const ArraySource&) = delete;
  ArraySource& operator=(const ArraySource&) = delete;

  [[nodiscard]] Handle make(const Handle& lock) {
    check_shareable<T>();
    const auto construct = [](void* data, void* context) {
      const auto& self = *static_cast<const ArraySource*>(context);
      self.construct_(data, self);
    };
    return make_data(
        {count_, sizeof(T), kDataAlignmentMax, construct_ == nullptr ? nullptr : +construct, this},
        lock);
  }

 private:
  template <class R> void from(R& range) {
    count_ = static_cast<std::size_t>(std::ranges::size(range));
    range_ = const_cast<void*>(static_cast<const void*>(std::addressof(range)));
    construct_ = [](void* data, const ArraySource& self) {
      auto* to = static_cast<T*>(data);
      std::size_t left = self.count_;
      for (auto&& element : *static_cast<R*>(self.range_)) {
        if (left-- == 0) break;
        ::new (static_cast<void*>(to++)) T(static_cast<T>(element));
      }
    };
  }

  std::size_t count_ = 0;
  void* range_ = nullptr;
  void (*construct_)(void*, const ArraySource&) = nullptr;  // null: zero is right
  std::vector<T> copies_;
  std::conditional_t<TextElement<T>, std::basic_string_view<T>, std::tuple<>> text_;
};

template <class T> class SharedArray {
 public:
  using value_type = T;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = T&;
  using const_reference = const T&;
  using iterator = T*;
  using const_iterator = T*;

  /// The number of elements, which never changes; Python's `len(a)`.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

  /// A plain reference to the element; a negative index counts from the end, as in Python. No lock
  /// is taken. THROWS: IndexError. In an inner loop begin(), data() or std::span(a) are faster.
  template <std::integral I> T& operator[](I index) const {
    const auto at = static_cast<std::size_t>(index);
    if (at < size_) [[likely]]
      return data()[at];
    if constexpr (std::signed_integral<I>) {
      if (index < 0 && at + size_ < size_) return data()[at + size_];
      throw_index(index, size_);
    } else {
      throw_index(static_cast<std::int64_t>(std::min<std::uint64_t>(index, INT64_MAX)), size_);
    }
  }
  /// The same as operator[].
  template <std::integral I> T& at(I index) const { return (*this)[index]; }

  [[nodiscard]] T* begin() const noexcept { return data(); }
  [[nodiscard]] T* end() const noexcept { return data() + size_; }
  /// The elements, one after the other, aligned to 64 bytes.
  [[nodiscard]] T* data() const noexcept {
    auto* object = static_cast<std::byte*>(handle_.get());
    return reinterpret_cast<T*>(object + data_at(kDataAlignmentMax));
  }

  /// A copy of the elements from `start` up to but without `stop`; Python's `a[start:stop]`:
  /// negative positions count from the end, what is out of range is cut off. No lock is taken.
  [[nodiscard]] std::vector<T> slice(
      std::int64_t start = 0, std::int64_t stop = std::numeric_limits<std::int64_t>::max()) const {
    const auto [first, last] = slice_bounds(start, stop, size_);
    return std::vector<T>(data() + first, data() + last);
  }

  /// Python's `a[start:stop] = values`. No lock is taken. THROWS: ValueError where the number of
  /// values is not the slice's; then nothing has changed.
  template <class R>
  requires ElementsFor<R&, T>
  void set_slice(std::int64_t start, std::int64_t stop, R&& values) const {
    const auto [first, last] = slice_bounds(start, stop, size_);
    copy_in(first, last - first, values);
  }
  void set_slice(std::int64_t start, std::int64_t stop, std::initializer_list<T> values) const {
    const auto [first, last] = slice_bounds(start, stop, size_);
    copy_in(first, last - first, values);
  }

  /// Python's `a[:] = values`. No lock is taken. THROWS: ValueError where they are not size() many.
  template <class R>
  requires ElementsFor<R&, T>
  void assign(R&& values) const { copy_in(0, size_, values); }
  void assign(std::initializer_list<T> values) const { copy_in(0, size_, values); }

  /// Gives every element this value. No lock is taken.
  void fill(const T& value) const { std::fill_n(data(), size_, value); }

  /// The text up to the first zero character; Python's `value` of a char array. No lock is taken.
  [[nodiscard]] std::basic_string<T> value() const requires TextElement<T> {
    return std::basic_string<T>(data(), std::find(begin(), end(), T{}));
  }
  /// Writes the text, and a zero behind it if there is room. THROWS: ValueError if it is too long.
  void value(std::basic_string_view<std::type_identity_t<T>> text) const requires TextElement<T> {
    raw(text);
    if (text.size() < size_) data()[text.size()] = T{};
  }
  /// All characters, zeros too; Python's `raw`. No lock is taken.
  [[nodiscard]] std::basic_string<T> raw() const requires TextElement<T> {
    return std::basic_string<T>(begin(), end());
  }
  /// Overwrites the first characters. THROWS: ValueError if they are more than there are.
  void raw(std::basic_string_view<std::type_identity_t<T>> text) const requires TextElement<T> {
    if (text.size() > size_) throw_too_long(text.size(), size_);
    std::copy_n(text.data(), text.size(), data());
  }

 protected:
  explicit SharedArray(Handle handle) noexcept
      : handle_(std::move(handle)), size_(data_count(handle_)) {}
  // Moving copies: no handle is ever without its data.
  SharedArray(const SharedArray&) = default;
  SharedArray& operator=(const SharedArray&) = default;
  ~SharedArray() = default;

  Handle handle_;

 private:
  template <class R> void copy_in(std::size_t first, std::size_t count, R& values) const {
    if constexpr (std::ranges::forward_range<R&>) {
      const auto given = static_cast<std::size_t>(std::ranges::distance(values));
      if (given != count) throw_length(given, count);
      T* to = data() + first;
      for (auto&& value : values) *to++ = static_cast<T>(value);
    } else {
      std::vector<T> copies;
      for (auto&& value : values) copies.push_back(static_cast<T>(value));
      copy_in(first, count, copies);
    }
  }

  std::size_t size_;
};

}  // namespace multiprocessing::detail
