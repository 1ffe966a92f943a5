// SPDX-License-Identifier: BSL-1.0
// The queue below Queue, JoinableQueue and SimpleQueue: it carries bytes and a fingerprint.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <multiprocessing/detail/handle.hpp>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/timeout.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace multiprocessing::queues {
class LocalQueue;
}  // namespace multiprocessing::queues

namespace multiprocessing::detail {

class ByteQueue;

/// For a process that takes items of a JoinableQueue for others: one of these has ended with so
/// many that it did not mark. They count as finished, and join() tells of them.
void lose_items(const Handle& joinable, std::uint32_t items, pid_t pid, std::string_view name);

/// Shared memory for one large message, or one with handles; what encodes into it saves a copy.
class Draft {
 public:
  /// Gives the consumers of a queue that holds much a moment to catch up. THROWS: MemoryError.
  Draft(const ByteQueue& queue, std::size_t bytes, Fingerprint type,
        std::span<const Handle> handles = {});
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft();

  [[nodiscard]] std::span<std::byte> room() noexcept;

 private:
  friend class ByteQueue;
  void* parcel_;  // null once it was put
};

/// A handle; every copy names the same queue. Moving copies, so that what was moved from stays
/// usable.
class ByteQueue {
 public:
  ByteQueue(const ByteQueue&) = default;
  ByteQueue& operator=(const ByteQueue&) = default;

  [[nodiscard]] std::size_t qsize() const noexcept;
  [[nodiscard]] bool empty() const;
  [[nodiscard]] bool full() const noexcept;
  void close() const noexcept;
  void join_thread() const;
  void task_done() const;
  bool join(Timeout timeout) const;

 protected:
  enum class Flavour : std::uint32_t { kQueue, kJoinable, kSimple };

  /// Decodes a message of the type `sent` into `*to`.
  using Decode = void (*)(void* to, Fingerprint sent, Decoder& message);

  ByteQueue(Flavour flavour, std::int64_t maxsize);
  explicit ByteQueue(Handle handle);
  ~ByteQueue() = default;

  template <class T> void put_as(const T& value, Timeout timeout) const {
    if constexpr (kItsOwnMessage<T> && sizeof(T) <= kInlineMax) {
      return put_bytes(std::as_bytes(std::span(&value, 1)), fingerprint<T>(), timeout);
    } else {
      if constexpr (kSizedMessage<T>) {
        const std::size_t bytes = encoded_size(value);
        if (bytes > kInlineMax) return put_large(value, bytes, timeout);
      }
      alignas(16) std::byte buffer[kBufferBytes];
      Encoder encoder{std::span(buffer)};
      encode(encoder, value);
      put_encoded(encoder, fingerprint<T>(), timeout);
    }
  }

  template <class T> [[nodiscard]] T get_as(Timeout timeout) const {
    if constexpr (kItsOwnMessage<T> && std::is_trivially_default_constructible_v<T>) {
      T result;
      const Decode decode = [](void* to, Fingerprint sent, Decoder& message) {
        std::construct_at(static_cast<T*>(to), decode_as<T>(sent, message));
      };
      get_decoded(fingerprint<T>(), decode, &result, timeout,
                  std::as_writable_bytes(std::span(&result, 1)));
      return result;
    } else {
      std::optional<T> result;
      const Decode decode = [](void* to, Fingerprint sent, Decoder& message) {
        static_cast<std::optional<T>*>(to)->emplace(decode_as<T>(sent, message));
      };
      get_decoded(fingerprint<T>(), decode, &result, timeout);
      return std::move(*result);
    }
  }

  Handle handle_;  // owns what `local_` points to

 private:
  friend class Draft;

  static constexpr std::size_t kInlineMax = std::size_t{16} * 1024;  // longer messages get a Draft
  static constexpr std::size_t kBufferBytes = 4096;

  template <class T> void put_large(const T& value, std::size_t bytes, Timeout timeout) const {
    Draft draft(*this, bytes, fingerprint<T>());
    Encoder encoder(draft.room());
    encode(encoder, value);
    const bool complete = encoder.in_place() && encoder.size() == bytes &&
                          encoder.handles().empty() && encoder.descriptors().empty();
    if (complete) return put_draft(draft, timeout);
    put_encoded(encoder, fingerprint<T>(), timeout);
  }

  void put_bytes(std::span<const std::byte> message, Fingerprint type, Timeout timeout) const;
  void put_encoded(const Encoder& message, Fingerprint type, Timeout timeout) const;
  void put_parcel(std::span<const std::byte> bytes, Fingerprint type,
                  std::span<const Handle> handles, Timeout timeout) const;
  void put_draft(Draft& draft, Timeout timeout) const;
  /// `itself`: where `*to` lies if its bytes are its message.
  void get_decoded(Fingerprint wanted, Decode decode, void* to, Timeout timeout,
                   std::span<std::byte> itself = {}) const;

  queues::LocalQueue* local_;
};

}  // namespace multiprocessing::detail
