// SPDX-License-Identifier: BSL-1.0
// What a child inherits from the process that forks it, where that one is not its parent.
#pragma once
#include <multiprocessing/detail/encoder.hpp>
#include <string>

namespace multiprocessing::process {

/// Working directory and environment.
struct Surroundings {
  std::string directory;    ///< empty: it was removed
  std::string environment;  ///< its entries, with a zero byte behind each

  [[nodiscard]] static Surroundings of_this_process();
  friend bool operator==(const Surroundings&, const Surroundings&) = default;
};

void encode_surroundings(detail::Encoder& encoder, const Surroundings& surroundings);

/// Makes those that were encoded this process's. THROWS: std::system_error where the directory
/// cannot be entered.
void assume_surroundings(detail::Decoder& decoder);

/// Writes this process's standard output and standard error.
void encode_streams(detail::Encoder& encoder);

/// Makes those that were encoded this process's.
void assume_streams(detail::Decoder& decoder);

/// Has this process hold nothing that somebody may wait for the end of: its standard streams.
void detach_streams() noexcept;

}  // namespace multiprocessing::process
