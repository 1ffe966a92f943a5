// SPDX-License-Identifier: BSL-1.0
#include "os/limits.hpp"

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>

namespace multiprocessing::os {
namespace {

// A limit file of a control group holds a number, or "max".
void apply_limit(const std::string& path, std::size_t& limit) {
  std::ifstream file(path);
  std::size_t bytes = 0;
  if (file >> bytes) limit = std::min(limit, bytes);
}

// Version 2 ("0::/a/b") limits at every level up to the root; version 1 in its own tree.
void apply_control_groups(std::size_t& limit) {
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const auto colon = line.find(':', line.find(':') + 1);
    if (colon == std::string::npos) continue;
    std::string group = line.substr(colon + 1);
    const bool v2 = line.starts_with("0::");
    if (!v2 && line.find(":memory:") == std::string::npos) continue;
    const std::string root = v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
    const std::string file = v2 ? "/memory.max" : "/memory.limit_in_bytes";
    for (; group.size() > 1; group.erase(group.rfind('/'))) apply_limit(root + group + file, limit);
    apply_limit(root + file, limit);
  }
}

}  // namespace

std::size_t memory_available_to_this_program() {
  const auto pages = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::size_t limit = pages / 4 * 3 * page;
  apply_control_groups(limit);
  return limit;
}

}  // namespace multiprocessing::os
