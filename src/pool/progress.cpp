// SPDX-License-Identifier: BSL-1.0
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <multiprocessing/detail/progress.hpp>
#include <string>
#include <utility>

#include "os/clock.hpp"

namespace multiprocessing::detail {
namespace {

constexpr std::int64_t kRedrawNs = 100'000'000;

std::string duration_text(double seconds) {
  const auto whole = static_cast<long>(std::ceil(seconds));
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string rate_text(double rate) {
  if (rate >= 1e6) return fmt::format("{:.1f} M/s", rate * 1e-6);
  if (rate >= 1e4) return fmt::format("{:.1f} k/s", rate * 1e-3);
  return fmt::format("{:.1f}/s", rate);
}

// One line on a terminal, drawn over and over.
class ProgressLine {
 public:
  explicit ProgressLine(std::size_t total) : total_(total), begin_ns_(os::now_ns()) {}

  void show(std::size_t done) {
    const std::int64_t now = os::now_ns();
    const bool end = done >= total_;
    if (!end && now - drawn_ns_ < kRedrawNs) return;
    drawn_ns_ = now;
    const double seconds = std::max(static_cast<double>(now - begin_ns_) * 1e-9, 1e-9);
    const double rate = static_cast<double>(done) / seconds;
    const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
    const auto percent = total_ == 0 ? 100 : done * 100 / total_;
    const std::string time = end ? fmt::format("in {}", duration_text(seconds))
                                 : fmt::format("{} left", duration_text(left));
    fmt::print(stderr, "\r\x1b[K{}/{} {}%  {}  {}{}", done, total_, percent, rate_text(rate), time,
               end ? "\n" : "");
    std::fflush(stderr);
  }

 private:
  std::size_t total_;
  std::int64_t begin_ns_;
  std::int64_t drawn_ns_ = 0;
};

}  // namespace

std::function<void(std::size_t)> make_progress(std::size_t total, bool line,
                                               std::function<void(std::size_t, std::size_t)> call) {
  if (!line || ::isatty(STDERR_FILENO) == 0) {
    return [total, call = std::move(call)](std::size_t done) {
      if (call) call(done, total);
    };
  }
  return [drawn = ProgressLine(total), total, call = std::move(call)](std::size_t done) mutable {
    drawn.show(done);
    if (call) call(done, total);
  };
}

}  // namespace multiprocessing::detail
