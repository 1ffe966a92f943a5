// SPDX-License-Identifier: BSL-1.0
// The bytes of a pickle, read from the front. Every read is checked.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <multiprocessing/detail/object_access.hpp>
#include <multiprocessing/object.hpp>
#include <span>
#include <string_view>

namespace multiprocessing::wire {

static_assert(std::endian::native == std::endian::little);

class PickleInput {
 public:
  explicit PickleInput(std::span<const std::byte> bytes) noexcept
      : begin_(reinterpret_cast<const char*>(bytes.data())),
        at_(begin_),
        end_(begin_ + bytes.size()) {}

  [[nodiscard]] std::size_t remaining() const noexcept {
    return static_cast<std::size_t>(end_ - at_);
  }
  [[nodiscard]] std::size_t size() const noexcept {
    return static_cast<std::size_t>(end_ - begin_);
  }

  // For who keeps the place by itself for a while.
  [[nodiscard]] const char* at() const noexcept { return at_; }
  void go_on_at(const char* at) noexcept { at_ = at; }
  /// THROWS: if there are no `n` bytes at that place.
  void check(const char* at, std::size_t n) const {
    if (static_cast<std::size_t>(end_ - at) < n) [[unlikely]]
      fail_short(at, n);
  }

  /// A text of so few bytes as an Object holds, all ASCII, behind its length. False: it is none, or
  /// is so near to the end that it has to be read with more care.
  [[nodiscard]] bool read_short_ascii(const char* at, detail::ObjectAccess::ShortWords& words,
                                      std::size_t& size) const noexcept {
    constexpr std::size_t kBytes = sizeof words.low;
    if (static_cast<std::size_t>(end_ - at) < 1 + 2 * kBytes) return false;
    size = static_cast<unsigned char>(*at);
    std::memcpy(&words.low, at + 1, kBytes);
    std::memcpy(&words.high, at + 1 + kBytes, kBytes);
    if (size < kBytes) {
      words.low &= first_bytes(size);
      words.high = 0;
    } else {
      words.high &= first_bytes((size - kBytes) % kBytes);
    }
    return size <= detail::ObjectAccess::kShortMax && words.is_ascii();
  }

  /// A number as it lies in memory: little-endian.
  template <class T> T take() {
    if (remaining() < sizeof(T)) [[unlikely]]
      fail_short(at_, sizeof(T));
    T value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::string_view take(std::uint64_t n) {
    if (n > remaining()) [[unlikely]]
      fail_short(at_, n);
    const std::string_view taken(at_, static_cast<std::size_t>(n));
    at_ += n;
    return taken;
  }

  /// Up to the end of the line, which is skipped.
  std::string_view take_line();

  /// THROWS: ValueError that says why, and at which byte.
  [[noreturn]] void fail(std::string_view why) const;

 private:
  // A mask of as many, fewer than eight.
  static constexpr std::uint64_t first_bytes(std::size_t n) noexcept {
    return (std::uint64_t{1} << (8 * n)) - 1;
  }
  [[noreturn]] void fail_at(const char* at, std::string_view why) const;
  [[noreturn]] void fail_short(const char* at, std::uint64_t n) const;

  const char* begin_;
  const char* at_;
  const char* end_;
};

}  // namespace multiprocessing::wire
