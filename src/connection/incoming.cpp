// SPDX-License-Identifier: BSL-1.0
#include <multiprocessing/detail/incoming.hpp>

#include <unistd.h>

#include <utility>

namespace multiprocessing::detail {

struct Incoming::Buffer {
  alignas(64) std::byte bytes[kBufferBytes];
};

namespace {

// The buffer that a thread uses again and again; null while a message is in it.
template <class Buffer> Buffer*& spare_buffer() {
  struct Spare {
    Buffer* buffer = nullptr;
    ~Spare() { delete std::exchange(buffer, nullptr); }
  };
  thread_local Spare spare;
  return spare.buffer;
}

}  // namespace

void Incoming::GiveBack::operator()(Buffer* buffer) const noexcept {
  Buffer*& spare = spare_buffer<Buffer>();
  if (spare == nullptr) std::swap(spare, buffer);
  delete buffer;
}

Incoming::Incoming() = default;
Incoming::Incoming(Incoming&& other) noexcept
    : type(other.type),
      bytes(std::exchange(other.bytes, {})),
      handles(std::move(other.handles)),
      descriptors(std::exchange(other.descriptors, {})),
      buffer_(std::move(other.buffer_)),
      whole_(std::move(other.whole_)) {}

Incoming& Incoming::operator=(Incoming&& other) noexcept {
  std::swap(type, other.type);
  std::swap(bytes, other.bytes);
  std::swap(handles, other.handles);
  std::swap(descriptors, other.descriptors);
  std::swap(buffer_, other.buffer_);
  std::swap(whole_, other.whole_);
  return *this;
}

Incoming::~Incoming() {
  for (const int fd : descriptors) {
    if (fd >= 0) ::close(fd);
  }
}

std::span<std::byte> Incoming::buffer() {
  if (buffer_ == nullptr) {
    Buffer* own = std::exchange(spare_buffer<Buffer>(), nullptr);
    buffer_.reset(own != nullptr ? own : new Buffer);
  }
  return buffer_->bytes;
}

void Incoming::keep() {
  if (buffer_ == nullptr) return;
  whole_.assign(bytes.begin(), bytes.end());
  bytes = whole_;
  buffer_.reset();
}

void Incoming::assign(std::vector<std::byte> whole) {
  whole_ = std::move(whole);
  bytes = whole_;
  buffer_.reset();
}

}  // namespace multiprocessing::detail
