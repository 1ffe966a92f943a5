// SPDX-License-Identifier: BSL-1.0
// How the floors report what the program should know; they do not know where it goes.
#pragma once
#include <multiprocessing/log.hpp>
#include <string_view>

namespace multiprocessing::os {

/// Takes a line; called by any thread, never within a signal handler. Must not throw.
using LogSink = void (*)(LogLevel level, std::string_view text) noexcept;

/// Sends lines of `threshold` and above to `sink`; null drops them all, as at the beginning.
void set_log_sink(LogSink sink, LogLevel threshold) noexcept;

/// Whether a line of that level goes anywhere: two loads.
[[nodiscard]] bool log_enabled(LogLevel level) noexcept;

void log(LogLevel level, std::string_view text) noexcept;
inline void log_warning(std::string_view text) noexcept { log(LogLevel::warning, text); }

}  // namespace multiprocessing::os
