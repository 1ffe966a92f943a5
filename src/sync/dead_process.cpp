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

void DeadProcess::note(std::int32_t dead_pid, std::string_view dead_name) noexcept {
  pid = dead_pid;
  const std::size_t length = std::min(dead_name.size(), sizeof name - 1);
  std::memcpy(name, dead_name.data(), length);
  std::memset(name + length, 0, sizeof name - length);
}

std::string DeadProcess::text() const {
  return name[0] == '\0' ? fmt::format("process (pid {})", pid)
                         : fmt::format("process {} (pid {})", name, pid);
}

}  // namespace multiprocessing::sync
