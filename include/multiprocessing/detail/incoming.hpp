// SPDX-License-Identifier: BSL-1.0
// A message that was received and not yet decoded.
#pragma once
#include <multiprocessing/detail/encoder.hpp>
#include <multiprocessing/detail/message.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace multiprocessing::detail {

/// Owns the message's bytes, and the handles and descriptors that came with it: what the decoder
/// does not take is let go.
class Incoming {
 public:
  /// How much comes in one packet; a multiple of 64.
  static constexpr std::size_t kBufferBytes = 66 * 1024;

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
  [[nodiscard]] std::span<std::byte> buffer();
  /// Keeps the message in memory of its own, so that the thread's buffer is free for others.
  void keep();
  /// Takes over the bytes of a message that came in pieces.
  void assign(std::vector<std::byte> whole);

 private:
  struct Buffer;
  struct GiveBack {
    void operator()(Buffer* buffer) const noexcept;
  };
  std::unique_ptr<Buffer, GiveBack> buffer_;
  std::vector<std::byte> whole_;
};

}  // namespace multiprocessing::detail
