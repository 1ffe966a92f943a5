// SPDX-License-Identifier: BSL-1.0
#include "process/report.hpp"

#include <cxxabi.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <multiprocessing/detail/type_name.hpp>
#include <string>
#include <typeinfo>

#include "os/stdio.hpp"

namespace multiprocessing::process {
namespace {

std::string type_of_current_exception() {
  const std::type_info* type = abi::__cxa_current_exception_type();
  return type == nullptr ? "unknown" : detail::readable_name(*type);
}

std::string text_of_current_exception() {
  try {
    throw;
  } catch (const std::exception& error) {
    return error.what();
  } catch (const std::string& text) {
    return text;
  } catch (const char* text) {
    return text;
  } catch (int number) {
    return std::to_string(number);
  } catch (...) {
    return "(not a std::exception)";
  }
}

}  // namespace

void report_exception(const std::string& name, const std::string& where) noexcept {
  std::string line;
  try {
    line = fmt::format("Process {} ({}){}: {}: {}\n", name, ::getpid(), where,
                       type_of_current_exception(), text_of_current_exception());
  } catch (...) {
    line = "an exception in this process cannot be described: out of memory\n";
  }
  os::flush_standard_streams();
  const char* at = line.data();
  for (std::size_t left = line.size(); left > 0;) {
    const ssize_t written = ::write(STDERR_FILENO, at, left);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    at += written;
    left -= static_cast<std::size_t>(written);
  }
}

}  // namespace multiprocessing::process
