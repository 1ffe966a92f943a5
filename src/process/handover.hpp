// SPDX-License-Identifier: BSL-1.0
// A message between two images of the program over a packet socket: bytes, handles, descriptors.
//
// Handles go by the names of their objects. The sender's references protect these until the
// receiver has its own, those of a killed sender for a while: see
// memory::expect_adoption_by_message.
#pragma once
#include <cstddef>
#include <memory>
#include <multiprocessing/detail/encoder.hpp>
#include <span>
#include <vector>

#include "memory/object.hpp"
#include "process/peer.hpp"

namespace multiprocessing::process {

/// Sends all of it; waits while the receiver does not take it. False: the receiver is gone.
/// THROWS: std::system_error.
bool hand_over(int channel, const Peer& receiver, const detail::Encoder& message);

/// A reference to an object that the sender of a message named. THROWS: EOFError where the sender
/// has died and the object has ended; MemoryError.
[[nodiscard]] memory::Handle adopt_of_sender(memory::ObjectName name);

/// What came; what the decoders leave is let go.
class HandedOver {
 public:
  /// Waits for it. THROWS: EOFError when the sender is gone; std::system_error, EMFILE where there
  /// was no room for its descriptors, and then all of it has been taken nevertheless.
  HandedOver(int channel, const Peer& sender);
  HandedOver(const HandedOver&) = delete;
  HandedOver& operator=(const HandedOver&) = delete;
  ~HandedOver();

  [[nodiscard]] bool has_handles() const noexcept { return !objects_.empty(); }
  /// Takes references to what its handles refer to. Before anything with a handle is decoded.
  /// THROWS: what adopt_of_sender does.
  void adopt();

  /// Reads from that byte on, a multiple of 16.
  [[nodiscard]] detail::Decoder decoder(std::size_t from = 0) noexcept {
    return detail::Decoder(bytes_.subspan(from), handles_, descriptors_);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::unique_ptr<std::byte[]> content_;
  std::span<const std::byte> bytes_;             // in content_
  std::span<const memory::ObjectName> objects_;  // in content_
  std::vector<detail::Handle> handles_;
  std::vector<int> descriptors_;
};

}  // namespace multiprocessing::process
