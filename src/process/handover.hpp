// SPDX-License-Identifier: BSL-1.0
// A message between two images of the program over a packet socket: bytes, handles, descriptors.
//
// Handles go by the offsets of their objects. The sender's references protect these until the
// receiver has its own: see memory::expect_adoption_by_message.
#pragma once
#include <cstddef>
#include <multiprocessing/detail/encoder.hpp>
#include <vector>

#include "os/fd.hpp"

namespace multiprocessing::process {

/// Sends all of it; waits while the receiver does not take it. False: the receiver is gone.
/// THROWS: std::system_error.
bool hand_over(int channel, const detail::Encoder& message);

/// What came, adopted by this process; what the decoder leaves is let go.
class HandedOver {
 public:
  /// Waits for it. THROWS: EOFError when the sender is gone, std::system_error.
  explicit HandedOver(int channel);
  HandedOver(const HandedOver&) = delete;
  HandedOver& operator=(const HandedOver&) = delete;
  ~HandedOver();

  [[nodiscard]] detail::Decoder decoder() noexcept {
    return detail::Decoder(bytes_, handles_, descriptors_);
  }

 private:
  std::vector<std::byte> bytes_;
  std::vector<detail::Handle> handles_;
  std::vector<int> descriptors_;
};

}  // namespace multiprocessing::process
