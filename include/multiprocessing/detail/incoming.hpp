// SPDX-License-Identifier: BSL-1.0
// A message that was received and not yet decoded.
#pragma once
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/detail/fingerprint.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace multiprocessing::detail {

/// Owns the message's bytes, and the handles and descriptors that came with it: what the decoder
/// does not take is let go.
class Incoming {
 public:
  /// How much room buffer() gives: the longest packet and some.
  static constexpr std::size_t kBufferBytes = std::size_t{257} * 1024;

  Incoming();
  Incoming(Incoming&&) noexcept;
  Incoming& operator=(Incoming&&) noexcept;
  ~Incoming();

  /// What was sent; 0: bytes without a type, by send_bytes.
  Fingerprint type = 0;
  std::span<const std::byte> bytes;
  std::vector<Handle> handles;
  std::vector<int> descriptors;

  [[nodiscard]] Decoder decoder() { return Decoder(bytes, handles, descriptors); }

  /// Room for one packet, 64-byte aligned; this thread's own, where it is not in use.
  [[nodiscard]] std::span<std::byte> buffer() { return room(kBufferBytes); }
  /// Room for `size` bytes that nobody has touched yet, as far as they are many. THROWS:
  /// std::bad_alloc.
  [[nodiscard]] std::span<std::byte> room(std::size_t size);
  /// Takes over the bytes of a message.
  void assign(std::vector<std::byte> whole);
  /// Keeps the message in memory of its own, so that the thread's buffer is free for others.
  void keep();
  /// The bytes in a vector, moved out where they lie in one.
  [[nodiscard]] std::vector<std::byte> take_bytes();

  /// For bytes that turn out to be a typed message: from now on it reads as `front` bytes shorter
  /// and as a message of that type.
  void read_as(Fingerprint other, std::size_t front) noexcept;
  /// For bytes that turn out to be a typed message in another form.
  void read_as(Fingerprint other, std::vector<std::byte> converted);
  /// Takes read_as back.
  void read_as_sent() noexcept;

 private:
  // In front of the bytes; begins at a multiple of 64, as they do.
  struct Buffer;
  struct GiveBack {
    void operator()(Buffer* buffer) const noexcept;
  };
  std::unique_ptr<Buffer, GiveBack> buffer_;
  std::vector<std::byte> whole_;
  std::vector<std::byte> converted_;
  std::span<const std::byte> as_sent_;  // the bytes before read_as; no data: it was not called
};

}  // namespace multiprocessing::detail
