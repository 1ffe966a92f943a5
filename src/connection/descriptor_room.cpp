// SPDX-License-Identifier: BSL-1.0
#include "connection/descriptor_room.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <cerrno>
#include <system_error>
#include <vector>

#include "os/fd.hpp"

namespace multiprocessing::connection {

std::string descriptor_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return fmt::format(
      "this process may have {} descriptors open (RLIMIT_NOFILE) and has as many; "
      "close some or raise the limit (ulimit -n)",
      limit.rlim_cur);
}

// Descriptors that do not fit are dropped by the kernel, together with the chance to ask again: so
// it is tried before the message is taken.
void expect_room_for_descriptors(int fd, std::size_t count) {
  std::vector<os::Fd> opened;
  opened.reserve(count + 2);
  while (opened.size() < count + 2) {
    opened.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (opened.back()) continue;
    throw std::system_error(
        EMFILE, std::generic_category(),
        fmt::format(
            "Connection: recv: the next message, which stays, carries {} descriptors, but {}",
            count, descriptor_limit()));
  }
}

}  // namespace multiprocessing::connection
