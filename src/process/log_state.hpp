// SPDX-License-Identifier: BSL-1.0
// How this process logs, for children in a fresh image, which log alike.
#pragma once
#include <multiprocessing/log.hpp>

namespace multiprocessing::process {

struct LogState {
  bool to_stderr = false;
  LogLevel level = LogLevel::notset;
};

[[nodiscard]] LogState log_state() noexcept;
void restore_log(const LogState& state);

}  // namespace multiprocessing::process
