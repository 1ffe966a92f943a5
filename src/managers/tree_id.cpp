// SPDX-License-Identifier: BSL-1.0
#include "managers/tree_id.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "memory/layout.hpp"
#include "os/fd.hpp"
#include "os/first_use.hpp"

namespace multiprocessing::managers {

// The arena's file has a number that no other of this kernel has while it exists, and the kernel
// one that no other kernel has.
const std::string& tree_id() {
  static constinit os::FirstUse<const std::string> id;
  return id.get([] {
    struct stat file {};
    if (::fstat(memory::mapping().descriptor, &file) != 0) {
      throw std::system_error(errno, std::generic_category(), "cannot ask for the arena's file");
    }
    char boot[64];
    const os::Fd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    const ssize_t got = fd ? ::read(fd.get(), boot, sizeof boot) : -1;
    // Without it nobody is taken for a relative.
    if (got <= 0) return fmt::format("{}:{}", ::getpid(), static_cast<const void*>(boot));
    return fmt::format("{}:{}:{}", std::string_view(boot, static_cast<std::size_t>(got)),
                       file.st_dev, file.st_ino);
  });
}

}  // namespace multiprocessing::managers
