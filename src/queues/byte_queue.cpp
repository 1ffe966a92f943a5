// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <multiprocessing/detail/byte_queue.hpp>
#include <multiprocessing/errors.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "connection/parking.hpp"
#include "memory/parcel.hpp"
#include "queues/consumer.hpp"
#include "queues/local_queue.hpp"
#include "queues/producer.hpp"
#include "queues/queue_object.hpp"

namespace multiprocessing::detail {
namespace {

using queues::LocalQueue;
using queues::QueueObject;

void check_open(const LocalQueue& queue, std::string_view call) {
  if (!queue.closed.load(std::memory_order_acquire)) return;
  throw ValueError(fmt::format("{} is closed in this process: {}() is not possible after close()",
                               queue.name(), call));
}

std::string tried(Timeout timeout) {
  if (timeout.nanoseconds() == 0) return "did not wait";
  return fmt::format("waited for {} s", static_cast<double>(timeout.nanoseconds()) * 1e-9);
}

void put_or_throw(LocalQueue& queue, const queues::Outgoing& message, Timeout timeout) {
  check_open(queue, "put");
  if (queues::put(queue.object, message, os::Deadline::after(timeout), queue.putting)) return;
  throw Full(fmt::format("{} is full: put() {}; take from it, or allow more time", queue.name(),
                         tried(timeout)));
}

std::uint32_t checked_maxsize(std::int64_t maxsize) {
  if (maxsize < 0) {
    throw ValueError(fmt::format(
        "Queue(maxsize={}): a queue cannot hold less than nothing; give 0 for no limit", maxsize));
  }
  // No queue comes near: every message takes 16 bytes at least.
  return maxsize > UINT32_MAX ? 0 : static_cast<std::uint32_t>(maxsize);
}

class DecodingInspector final : public queues::Inspector {
 public:
  DecodingInspector(void (*decode)(void*, Fingerprint, Decoder&), void* to) noexcept
      : decode_(decode), to_(to) {}
  void inspect(std::uint32_t type, std::span<const std::byte> bytes,
               std::span<const Handle> handles) override {
    connection::Unparked unparked(handles);
    Decoder decoder(bytes, handles, unparked.descriptors());
    decode_(to_, type, decoder);
  }

 private:
  void (*decode_)(void*, Fingerprint, Decoder&);
  void* to_;
};

}  // namespace

Draft::Draft(const ByteQueue& queue, std::size_t bytes, Fingerprint type,
             std::span<const Handle> handles) {
  check_open(*queue.local_, "put");
  queue.local_->pace.keep(queue.local_->object, bytes);
  parcel_ = memory::make_parcel(bytes, type, handles);
}

Draft::~Draft() {
  if (parcel_ != nullptr) memory::free_parcel(static_cast<memory::Parcel*>(parcel_));
}

std::span<std::byte> Draft::room() noexcept {
  return static_cast<memory::Parcel*>(parcel_)->payload();
}

ByteQueue::ByteQueue(Flavour flavour, std::int64_t maxsize)
    : ByteQueue(queues::make_queue(static_cast<QueueObject::Flavour>(flavour),
                                   checked_maxsize(maxsize))) {}

ByteQueue::ByteQueue(Handle handle) {
  void* const object = handle.get();
  if (object == nullptr) throw ValueError("a queue cannot be made of an empty handle");
  auto local = LocalQueue::of(std::move(handle));
  local_ = local.get();
  handle_ = Handle(std::shared_ptr<void>(std::move(local), object));
}

void ByteQueue::put_bytes(std::span<const std::byte> message, Fingerprint type,
                          Timeout timeout) const {
  put_or_throw(*local_, {type, message}, timeout);
}

void ByteQueue::put_encoded(const Encoder& message, Fingerprint type, Timeout timeout) const {
  if (!message.descriptors().empty()) {
    // Memory keeps no descriptors: a handle that stands for them goes into the message.
    std::vector<Handle> handles = message.handles();
    std::ranges::move(connection::park(message.descriptors()), std::back_inserter(handles));
    return put_parcel(message.bytes(), type, handles, timeout);
  }
  const std::span<const std::byte> bytes = message.bytes();
  if (message.handles().empty() && bytes.size() <= kInlineMax) {
    return put_bytes(bytes, type, timeout);
  }
  put_parcel(bytes, type, message.handles(), timeout);
}

void ByteQueue::put_parcel(std::span<const std::byte> bytes, Fingerprint type,
                           std::span<const Handle> handles, Timeout timeout) const {
  Draft draft(*this, bytes.size(), type, handles);
  if (!bytes.empty()) std::memcpy(draft.room().data(), bytes.data(), bytes.size());
  put_draft(draft, timeout);
}

void ByteQueue::put_draft(Draft& draft, Timeout timeout) const {
  auto* const parcel = static_cast<memory::Parcel*>(draft.parcel_);
  put_or_throw(*local_, {parcel->type, {}, parcel}, timeout);
  draft.parcel_ = nullptr;
}

void ByteQueue::get_decoded(Fingerprint wanted, Decode decode, void* to, Timeout timeout,
                            std::span<std::byte> itself) const {
  check_open(*local_, "get");
  DecodingInspector inspector(decode, to);
  queues::Taken taken(itself);
  switch (queues::get(local_->object, wanted, inspector, taken, os::Deadline::after(timeout),
                      local_->getting)) {
    case queues::Got::kInspected:
      return;
    case queues::Got::kNothing:
      throw Empty(fmt::format("{} is empty: get() {}; put into it, or allow more time",
                              local_->name(), tried(timeout)));
    case queues::Got::kMessage:
      if (taken.fills(itself)) return;
      break;
  }
  Decoder decoder(taken.bytes(), taken.handles);
  decode(to, wanted, decoder);
}

std::size_t ByteQueue::qsize() const noexcept { return queues::size_of(local_->object); }

bool ByteQueue::empty() const {
  check_open(*local_, "empty");
  return qsize() == 0;
}

bool ByteQueue::full() const noexcept {
  const std::uint32_t maxsize = local_->object.maxsize;
  return maxsize != 0 && qsize() >= maxsize;
}

void ByteQueue::close() const noexcept { local_->closed.store(true, std::memory_order_release); }

void ByteQueue::join_thread() const {
  if (local_->closed.load(std::memory_order_acquire)) return;
  throw AssertionError(
      fmt::format("{}: join_thread() before close(); call close() first", local_->name()));
}

}  // namespace multiprocessing::detail
