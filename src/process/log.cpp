// SPDX-License-Identifier: BSL-1.0
// The logger's sink: spdlog, one line at a time, under a lock that a fork cannot leave locked.
#include <fmt/format.h>
#include <pthread.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <atomic>
#include <multiprocessing/log.hpp>
#include <mutex>

#include "os/first_use.hpp"
#include "os/log.hpp"
#include "process/log_state.hpp"
#include "process/tree.hpp"

namespace multiprocessing {
namespace {

constexpr int kUnset = static_cast<int>(LogLevel::notset);

std::atomic<int> chosen_level{kUnset};

LogLevel threshold() noexcept {
  const int level = chosen_level.load(std::memory_order_relaxed);
  return level == kUnset ? LogLevel::warning : static_cast<LogLevel>(level);
}

struct Output {
  Output() {
    logger.set_pattern("%v");
    logger.set_level(spdlog::level::trace);
  }
  std::mutex mutex;  // held across fork
  spdlog::logger logger{"multiprocessing", std::make_shared<spdlog::sinks::stderr_sink_st>()};
};

Output& output() {
  static constinit os::FirstUse<Output> one;
  return one.get([] {
    ::pthread_atfork([] { output().mutex.lock(); }, [] { output().mutex.unlock(); },
                     [] { output().mutex.unlock(); });
    return Output();
  });
}

const char* name_of(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::notset:
      return "NOTSET";
    case LogLevel::subdebug:
      return "SUBDEBUG";
    case LogLevel::debug:
      return "DEBUG";
    case LogLevel::info:
      return "INFO";
    case LogLevel::subwarning:
      return "SUBWARNING";
    case LogLevel::warning:
      return "WARNING";
    case LogLevel::error:
      return "ERROR";
    case LogLevel::critical:
      return "CRITICAL";
  }
  return "LEVEL";
}

spdlog::level::level_enum spdlog_level(LogLevel level) noexcept {
  if (level >= LogLevel::critical) return spdlog::level::critical;
  if (level >= LogLevel::error) return spdlog::level::err;
  if (level >= LogLevel::subwarning) return spdlog::level::warn;
  if (level >= LogLevel::info) return spdlog::level::info;
  return level >= LogLevel::debug ? spdlog::level::debug : spdlog::level::trace;
}

void write_line(LogLevel level, std::string_view text) noexcept {
  try {
    std::string process;
    {
      const auto self = process::current();
      const std::lock_guard guard(process::lock());
      process = self->name;
    }
    const std::string line = fmt::format("[{}/{}] {}", name_of(level), process, text);
    Output& out = output();
    const std::lock_guard guard(out.mutex);
    out.logger.log(spdlog_level(level), spdlog::string_view_t(line));
  } catch (...) {
    // A line of the log is not worth an exception where nobody expects one.
  }
}

std::atomic<bool> to_stderr{false};

}  // namespace

void Logger::level(LogLevel level) noexcept {
  chosen_level.store(static_cast<int>(level), std::memory_order_relaxed);
  if (to_stderr.load()) os::set_log_sink(write_line, threshold());
}

LogLevel Logger::level() const noexcept {
  return static_cast<LogLevel>(chosen_level.load(std::memory_order_relaxed));
}

bool Logger::is_enabled_for(LogLevel level) const noexcept { return os::log_enabled(level); }

void Logger::write(LogLevel level, std::string_view text) { os::log(level, text); }

Logger& get_logger() noexcept {
  static Logger logger;
  return logger;
}

Logger& log_to_stderr(std::optional<LogLevel> level) {
  output();
  to_stderr.store(true);
  get_logger().level(level.value_or(get_logger().level()));
  return get_logger();
}

namespace process {

LogState log_state() noexcept { return {to_stderr.load(), get_logger().level()}; }

void restore_log(const LogState& state) {
  if (state.to_stderr) log_to_stderr();
  get_logger().level(state.level);
}

}  // namespace process
}  // namespace multiprocessing
