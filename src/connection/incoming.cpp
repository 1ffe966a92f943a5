// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/detail/incoming.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <new>
#include <utility>

namespace multiprocessing::detail {

struct alignas(64) Incoming::Buffer {
  std::size_t capacity;

  [[nodiscard]] std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
  static Buffer* make(std::size_t capacity) {
    constexpr std::size_t kFront = sizeof(Buffer);
    if (capacity > SIZE_MAX - kFront) throw std::bad_alloc();
    void* memory = ::operator new (kFront + capacity, std::align_val_t{alignof(Buffer)});
    return ::new (memory) Buffer{capacity};
  }
  static void free(Buffer* buffer) noexcept {
    ::operator delete (buffer, std::align_val_t{alignof(Buffer)});
  }
};

namespace {

// One large message shall not keep its memory for the rest of the thread's life.
constexpr std::size_t kKeptBytes = (std::size_t{1} << 20) + (std::size_t{64} << 10);

// The buffer that a thread uses again and again; null while a message is in it.
template <class Buffer> Buffer*& spare_buffer() {
  struct Spare {
    Buffer* buffer = nullptr;
    ~Spare() { Buffer::free(std::exchange(buffer, nullptr)); }
  };
  thread_local Spare spare;
  return spare.buffer;
}

}  // namespace

void Incoming::GiveBack::operator()(Buffer* buffer) const noexcept {
  Buffer*& spare = spare_buffer<Buffer>();
  if (buffer->capacity <= kKeptBytes && (spare == nullptr || spare->capacity < buffer->capacity)) {
    std::swap(spare, buffer);
  }
  if (buffer != nullptr) Buffer::free(buffer);
}

Incoming::Incoming() = default;

Incoming::Incoming(Incoming&& other) noexcept
    : type(other.type),
      bytes(std::exchange(other.bytes, {})),
      handles(std::move(other.handles)),
      descriptors(std::exchange(other.descriptors, {})),
      buffer_(std::move(other.buffer_)),
      whole_(std::move(other.whole_)),
      converted_(std::move(other.converted_)),
      as_sent_(std::exchange(other.as_sent_, {})) {}

Incoming& Incoming::operator=(Incoming&& other) noexcept {
  std::swap(type, other.type);
  std::swap(bytes, other.bytes);
  std::swap(handles, other.handles);
  std::swap(descriptors, other.descriptors);
  std::swap(buffer_, other.buffer_);
  std::swap(whole_, other.whole_);
  std::swap(converted_, other.converted_);
  std::swap(as_sent_, other.as_sent_);
  return *this;
}

Incoming::~Incoming() {
  for (const int fd : descriptors) {
    if (fd >= 0) ::close(fd);
  }
}

std::span<std::byte> Incoming::room(std::size_t size) {
  if (buffer_ == nullptr || buffer_->capacity < size) {
    Buffer*& spare = spare_buffer<Buffer>();
    buffer_.reset(spare != nullptr && spare->capacity >= size
                      ? std::exchange(spare, nullptr)
                      : Buffer::make(std::max(size, kBufferBytes)));
  }
  return {buffer_->bytes(), size};
}

void Incoming::assign(std::vector<std::byte> whole) {
  whole_ = std::move(whole);
  bytes = whole_;
  buffer_.reset();
}

void Incoming::keep() {
  read_as_sent();
  if (buffer_ == nullptr) return;
  whole_.assign(bytes.begin(), bytes.end());
  bytes = whole_;
  buffer_.reset();
}

std::vector<std::byte> Incoming::take_bytes() {
  if (bytes.data() == whole_.data() && bytes.size() == whole_.size()) return std::move(whole_);
  return {bytes.begin(), bytes.end()};
}

void Incoming::read_as(Fingerprint other, std::size_t front) noexcept {
  as_sent_ = bytes;
  bytes = bytes.subspan(front);
  type = other;
}

void Incoming::read_as(Fingerprint other, std::vector<std::byte> converted) {
  converted_ = std::move(converted);
  as_sent_ = bytes;
  bytes = converted_;
  type = other;
}

void Incoming::read_as_sent() noexcept {
  if (as_sent_.data() == nullptr) return;
  bytes = std::exchange(as_sent_, {});
  type = 0;
  converted_ = {};
}

}  // namespace multiprocessing::detail
