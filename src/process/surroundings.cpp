// SPDX-License-Identifier: BSL-1.0
#include "process/surroundings.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <multiprocessing/detail/message.hpp>
#include <string_view>
#include <system_error>

#include "os/fd.hpp"
#include "os/stdio.hpp"

namespace multiprocessing::process {
namespace {

bool is_open(int fd) noexcept { return ::fcntl(fd, F_GETFD) >= 0; }

}  // namespace

Surroundings Surroundings::of_this_thread() {
  Surroundings result;
  result.inherited = os::inherited();
  std::error_code removed;
  result.directory = std::filesystem::current_path(removed).string();
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    result.environment.append(*entry).push_back('\0');
  }
  return result;
}

void encode_surroundings(detail::Encoder& encoder, const Surroundings& surroundings) {
  detail::encode(encoder, surroundings.directory);
  detail::encode(encoder, surroundings.environment);
  encoder.put(surroundings.inherited);
}

os::Inherited assume_surroundings(detail::Decoder& decoder) {
  const auto directory = detail::decode<std::string>(decoder);
  const auto environment = detail::decode<std::string>(decoder);
  const auto inherited = decoder.take<os::Inherited>();
  if (!directory.empty() && ::chdir(directory.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot change to the parent's directory " + directory);
  }
  ::clearenv();
  for (std::size_t at = 0; at < environment.size();) {
    const std::string entry(environment.c_str() + at);
    at += entry.size() + 1;
    const std::size_t end = entry.find('=');
    if (end != std::string::npos) {
      ::setenv(entry.substr(0, end).c_str(), entry.c_str() + end + 1, 1);
    }
  }
  ::umask(static_cast<mode_t>(inherited.umask));
  return inherited;
}

void encode_streams(detail::Encoder& encoder) {
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    const bool open = is_open(stream);
    encoder.put(open);
    if (open) encoder.write_descriptor(stream);
  }
}

void assume_streams(detail::Decoder& decoder) {
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    if (!decoder.take<bool>()) {
      ::close(stream);
      continue;
    }
    const os::Fd parents(decoder.read_descriptor());
    ::dup2(parents.get(), stream);
  }
}

void detach_streams() noexcept {
  os::detach_stdin();
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) ::dup2(STDIN_FILENO, stream);
}

}  // namespace multiprocessing::process
