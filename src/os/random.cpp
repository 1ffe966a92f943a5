// SPDX-License-Identifier: BSL-1.0
#include "os/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <system_error>

namespace multiprocessing::os {

void fill_random(std::span<std::byte> buffer) {
  while (!buffer.empty()) {
    const ssize_t got = ::getrandom(buffer.data(), buffer.size(), 0);
    if (got < 0 && errno != EINTR) {
      throw std::system_error(errno, std::generic_category(), "cannot get random bytes");
    }
    if (got > 0) buffer = buffer.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace multiprocessing::os
