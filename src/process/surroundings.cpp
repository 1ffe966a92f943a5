// SPDX-License-Identifier: BSL-1.0
#include "process/surroundings.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <multiprocessing/detail/message.hpp>
#include <string_view>
#include <system_error>

#include "os/fd.hpp"

namespace multiprocessing::process {
namespace {

bool is_open(int fd) noexcept { return ::fcntl(fd, F_GETFD) >= 0; }

}  // namespace

Surroundings Surroundings::of_this_process() {
  Surroundings result;
  std::error_code removed;
  result.directory = std::filesystem::current_path(removed).string();
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    result.environment.emplace_back(*entry);
  }
  return result;
}

void encode_surroundings(detail::Encoder& encoder, const Surroundings& surroundings) {
  detail::encode(encoder, surroundings.directory);
  detail::encode(encoder, surroundings.environment);
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    detail::encode(encoder, is_open(stream));
    if (is_open(stream)) encoder.write_descriptor(stream);
  }
}

void assume_surroundings(detail::Decoder& decoder) {
  const auto directory = detail::decode<std::string>(decoder);
  if (!directory.empty() && ::chdir(directory.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category(),
                            "cannot change to the parent's directory " + directory);
  }
  ::clearenv();
  for (const auto& entry : detail::decode<std::vector<std::string>>(decoder)) {
    const std::size_t end = entry.find('=');
    if (end != std::string::npos) {
      ::setenv(entry.substr(0, end).c_str(), entry.c_str() + end + 1, 1);
    }
  }
  for (const int stream : {STDOUT_FILENO, STDERR_FILENO}) {
    if (!detail::decode<bool>(decoder)) {
      ::close(stream);
      continue;
    }
    const os::Fd parents(decoder.read_descriptor());
    ::dup2(parents.get(), stream);
  }
}

}  // namespace multiprocessing::process
