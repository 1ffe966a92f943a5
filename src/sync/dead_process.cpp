// SPDX-License-Identifier: BSL-1.0
#include "sync/dead_process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace multiprocessing::sync {

void DeadProcess::note(memory::Serial serial) {
  const memory::ProcessInfo info = memory::who(serial);
  pid = info.pid;
  const std::size_t length = std::min(info.name.size(), sizeof name - 1);
  std::memcpy(name, info.name.data(), length);
  name[length] = '\0';
}

std::string DeadProcess::text() const {
  return name[0] == '\0' ? fmt::format("process (pid {})", pid)
                         : fmt::format("process {} (pid {})", name, pid);
}

}  // namespace multiprocessing::sync
