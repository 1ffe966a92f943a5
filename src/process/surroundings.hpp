// SPDX-License-Identifier: BSL-1.0
// What a child inherits from the process that forks it, where that one is not its parent.
#pragma once
#include <multiprocessing/detail/encoder.hpp>
#include <string>
#include <vector>

namespace multiprocessing::process {

/// Working directory, environment, standard output and standard error.
struct Surroundings {
  std::string directory;  ///< empty: it was removed
  std::vector<std::string> environment;

  [[nodiscard]] static Surroundings of_this_process();
};

void encode_surroundings(detail::Encoder& encoder, const Surroundings& surroundings);

/// Makes those that were encoded this process's.
void assume_surroundings(detail::Decoder& decoder);

}  // namespace multiprocessing::process
