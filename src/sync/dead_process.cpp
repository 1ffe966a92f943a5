// SPDX-License-Identifier: BSL-1.0
#include "sync/dead_process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace multiprocessing::sync {

void DeadProcess::note(memory::Serial serial) noexcept {
  const memory::ProcessInfo info = memory::who(serial);
  pid = info.pid;
  static_assert(sizeof name == sizeof info.name);
  std::memcpy(name, info.name, sizeof name);
}

std::string DeadProcess::text() const {
  return name[0] == '\0' ? fmt::format("process (pid {})", pid)
                         : fmt::format("process {} (pid {})", name, pid);
}

}  // namespace multiprocessing::sync
