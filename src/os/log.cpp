// SPDX-License-Identifier: BSL-1.0
#include "os/log.hpp"

#include <atomic>

namespace multiprocessing::os {
namespace {

std::atomic<LogSink> current_sink{nullptr};
std::atomic<int> current_threshold{0};

}  // namespace

void set_log_sink(LogSink sink, LogLevel threshold) noexcept {
  current_threshold.store(static_cast<int>(threshold), std::memory_order_relaxed);
  current_sink.store(sink, std::memory_order_release);
}

bool log_enabled(LogLevel level) noexcept {
  return current_sink.load(std::memory_order_acquire) != nullptr &&
         static_cast<int>(level) >= current_threshold.load(std::memory_order_relaxed);
}

void log(LogLevel level, std::string_view text) noexcept {
  if (!log_enabled(level)) return;
  if (const LogSink sink = current_sink.load(std::memory_order_acquire)) sink(level, text);
}

}  // namespace multiprocessing::os
