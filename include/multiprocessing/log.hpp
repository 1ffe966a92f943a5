// SPDX-License-Identifier: BSL-1.0
// The library's logger: silent until log_to_stderr() is called.
//
// Threads: any may log. Fork: the child logs on, under its own process's name.
#pragma once
#include <fmt/core.h>

#include <optional>
#include <string_view>
#include <utility>

namespace multiprocessing {

/// Python's levels and their numbers. In lower case, for DEBUG is a macro of many programs.
enum class LogLevel : int {
  notset = 0,
  subdebug = 5,
  debug = 10,
  info = 20,
  subwarning = 25,
  warning = 30,
  error = 40,
  critical = 50
};

/// What the library reports about itself, and what a program adds (`logging.Logger`).
class Logger {
 public:
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  /// Lines below this level are dropped (`setLevel`); `notset`, the default, stands for `warning`.
  void level(LogLevel level) noexcept;
  [[nodiscard]] LogLevel level() const noexcept;

  /// Whether a line of that level is written anywhere (`isEnabledFor`).
  [[nodiscard]] bool is_enabled_for(LogLevel level) const noexcept;

  /// Writes a line made of a fmt format string. Never throws for what the sink cannot write.
  template <class... Args>
  void log(LogLevel level, fmt::format_string<Args...> text, Args&&... args) {
    if (is_enabled_for(level)) write(level, fmt::format(text, std::forward<Args>(args)...));
  }
  template <class... Args> void debug(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::debug, text, std::forward<Args>(args)...);
  }
  template <class... Args> void info(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::info, text, std::forward<Args>(args)...);
  }
  template <class... Args> void warning(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::warning, text, std::forward<Args>(args)...);
  }
  template <class... Args> void error(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::error, text, std::forward<Args>(args)...);
  }
  template <class... Args> void critical(fmt::format_string<Args...> text, Args&&... args) {
    log(LogLevel::critical, text, std::forward<Args>(args)...);
  }

 private:
  friend Logger& get_logger() noexcept;
  Logger() = default;
  static void write(LogLevel level, std::string_view text);
};

/// The one logger of this process (`multiprocessing.get_logger`).
[[nodiscard]] Logger& get_logger() noexcept;

/// From here on lines go to standard error as `[LEVEL/PROCESSNAME] text`; sets the level if one is
/// given (`multiprocessing.log_to_stderr`). Called again, it only sets the level.
Logger& log_to_stderr(std::optional<LogLevel> level = std::nullopt);

}  // namespace multiprocessing
