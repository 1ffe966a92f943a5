// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <algorithm>
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/errors.hpp>
#include <new>
#include <utility>

namespace multiprocessing::detail {

namespace {
constexpr std::size_t kFirstBytes = 256;
constexpr std::align_val_t kAlignment{16};
}  // namespace

Encoder::Encoder(Encoder&& other) noexcept { *this = std::move(other); }

Encoder& Encoder::operator=(Encoder&& other) noexcept {
  std::swap(begin_, other.begin_);
  std::swap(cursor_, other.cursor_);
  std::swap(end_, other.end_);
  std::swap(own_, other.own_);
  handles_.swap(other.handles_);
  descriptors_.swap(other.descriptors_);
  return *this;
}

Encoder::~Encoder() { ::operator delete(own_, kAlignment); }

void Encoder::grow(std::size_t n) {
  const std::size_t used = size();
  const auto capacity = static_cast<std::size_t>(end_ - begin_);
  if (n > SIZE_MAX / 2 - used) throw std::bad_alloc();
  const std::size_t bytes = std::max({used + n, 2 * capacity, kFirstBytes});
  auto* own = static_cast<std::byte*>(::operator new(bytes, kAlignment));
  if (used != 0) std::memcpy(own, begin_, used);
  ::operator delete(own_, kAlignment);
  begin_ = own_ = own;
  cursor_ = own + used;
  end_ = own + bytes;
}

void Encoder::move_to(std::span<std::byte> buffer) noexcept {
  const std::size_t used = size();
  if (used != 0) std::memcpy(buffer.data(), begin_, used);
  ::operator delete(std::exchange(own_, nullptr), kAlignment);
  begin_ = buffer.data();
  cursor_ = begin_ + used;
  end_ = begin_ + buffer.size();
}

void Encoder::write_handle(const Handle& handle) {
  if (!handle) return put(std::uint32_t{0});
  handles_.push_back(handle);
  put(static_cast<std::uint32_t>(handles_.size()));
}

void Encoder::write_descriptor(int fd) {
  descriptors_.push_back(fd);
  put(static_cast<std::uint32_t>(descriptors_.size() - 1));
}

Handle Decoder::read_handle() {
  const auto index = take<std::uint32_t>();
  if (index == 0) return {};
  if (index > handles_.size()) {
    throw ValueError(
        fmt::format("cannot decode a message: it names handle {} of {} that came with it", index,
                    handles_.size()));
  }
  return handles_[index - 1];
}

int Decoder::read_descriptor() {
  const auto index = take<std::uint32_t>();
  if (index >= descriptors_.size() || descriptors_[index] < 0) {
    throw ValueError(fmt::format(
        "cannot decode a message: descriptor {} of {} that came with it is not there or was taken",
        index + 1, descriptors_.size()));
  }
  return std::exchange(descriptors_[index], -1);
}

void Decoder::fail_short(std::size_t n) const {
  throw ValueError(
      fmt::format("cannot decode a message: it is cut short at byte {}, where {} more are needed "
                  "and {} are left",
                  position(), n, remaining()));
}

void Decoder::fail_length(std::uint64_t n, std::size_t element_bytes) const {
  throw ValueError(
      fmt::format("cannot decode a message: before byte {} it tells of {} elements of at least {} "
                  "bytes, but {} "
                  "bytes are left",
                  position(), n, element_bytes, remaining()));
}

}  // namespace multiprocessing::detail
