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

  /// The text that was taken, followed by zeros, if memory of the input can be read for that long.
  [[nodiscard]] bool read_short(std::string_view taken,
                                detail::ObjectAccess::ShortWords& words) const noexcept {
    constexpr std::size_t kBytes = sizeof words.low;
    const std::size_t n = taken.size();
    if (static_cast<std::size_t>(end_ - taken.data()) < 2 * kBytes) return false;
    std::memcpy(&words.low, taken.data(), kBytes);
    std::memcpy(&words.high, taken.data() + kBytes, kBytes);
    words.low = n >= kBytes ? words.low : words.low & first_bytes(n);
    words.high = n >= kBytes ? words.high & first_bytes(n - kBytes) : 0;
    return true;
  }

  /// A number as it lies in memory: little-endian.
  template <class T> T take() {
    if (remaining() < sizeof(T)) [[unlikely]]
      fail_short(sizeof(T));
    T value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  std::string_view take(std::uint64_t n) {
    if (n > remaining()) [[unlikely]]
      fail_short(n);
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
  [[noreturn]] void fail_short(std::uint64_t n) const;

  const char* begin_;
  const char* at_;
  const char* end_;
};

}  // namespace multiprocessing::wire
