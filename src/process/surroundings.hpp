// SPDX-License-Identifier: BSL-1.0
// What a child inherits from the process that forks it, where that one is not its parent.
#pragma once
#include <multiprocessing/detail/encoder.hpp>
#include <string>

#include "os/inherited.hpp"

namespace multiprocessing::process {

/// What the calling thread would leave to a forked child.
struct Surroundings {
  std::string directory;    ///< empty: it was removed
  std::string environment;  ///< its entries, with a zero byte behind each
  os::Inherited inherited;

  /// THROWS: std::system_error.
  [[nodiscard]] static Surroundings of_this_thread();
  friend bool operator==(const Surroundings&, const Surroundings&) = default;
};

void encode_surroundings(detail::Encoder& encoder, const Surroundings& surroundings);

/// Makes the directory, the environment and the umask that were encoded this process's, and returns
/// all else. THROWS: std::system_error where the directory cannot be entered.
[[nodiscard]] os::Inherited assume_surroundings(detail::Decoder& decoder);

/// Writes this process's standard output and standard error.
void encode_streams(detail::Encoder& encoder);

/// Makes those that were encoded this process's.
void assume_streams(detail::Decoder& decoder);

/// Has this process hold nothing that somebody may wait for the end of: its standard streams.
void detach_streams() noexcept;

}  // namespace multiprocessing::process
