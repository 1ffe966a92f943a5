// SPDX-License-Identifier: BSL-1.0
#include "os/poll.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

namespace multiprocessing::os {

int poll_until(std::span<pollfd> entries, const Deadline& deadline) {
  for (;;) {
    timespec left{};
    if (!deadline.is_never() && deadline.at_ns() != 0) {
      const std::int64_t ns = std::max<std::int64_t>(deadline.at_ns() - now_ns(), 0);
      left = {ns / 1'000'000'000, ns % 1'000'000'000};
    }
    const int ready =
        ::ppoll(entries.data(), entries.size(), deadline.is_never() ? nullptr : &left, nullptr);
    if (ready >= 0) return ready;
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "cannot poll");
  }
}

}  // namespace multiprocessing::os
