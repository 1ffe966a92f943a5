// SPDX-License-Identifier: BSL-1.0
// std::system_error that is told once more, with who it happened to.
#pragma once
#include <string>
#include <system_error>

namespace multiprocessing::os {

/// What was being done, without the system's words at the end.
[[nodiscard]] inline std::string what_was_done(const std::system_error& error) {
  std::string text = error.what();
  const std::string end = ": " + error.code().message();
  if (text.ends_with(end)) text.resize(text.size() - end.size());
  return text;
}

/// Throws the same error with `whom` in front.
[[noreturn]] inline void rethrow_about(const std::string& whom, const std::system_error& error) {
  throw std::system_error(error.code(), whom + ": " + what_was_done(error));
}

}  // namespace multiprocessing::os
