// SPDX-License-Identifier: BSL-1.0
#include "os/limits.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

namespace multiprocessing::os {
namespace {

// Whether `word` is one of a list with commas.
bool has_word(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto end = std::min(list.find(','), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

// Calls visit(folder, is_version_2) for this program's group and every one above it. Version 2
// ("0::/a/b") limits at every level up to the root; version 1 ("4:cpu,cpuacct:/a/b") in its own
// tree. Where a container sees its own group as the root, only the root's files are there.
template <class Visit>
void for_each_group(const ControlGroups& groups, std::string_view controller, Visit visit) {
  std::ifstream file(groups.membership);
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const bool v2 = line.starts_with("0::");
    if (!v2 && !has_word(controllers, controller)) continue;
    const std::string root = v2 ? groups.root : fmt::format("{}/{}", groups.root, controller);
    for (std::string group = line.substr(second + 1); group.size() > 1;
         group.erase(group.rfind('/'))) {
      visit(root + group, v2);
    }
    visit(root, v2);
  }
}

// A limit file of a control group holds a number, or "max".
void apply_limit(const std::string& path, std::size_t& limit) {
  std::ifstream file(path);
  std::size_t bytes = 0;
  if (file >> bytes) limit = std::min(limit, bytes);
}

void apply_quota(double quota, double period, double& cpus) {
  if (quota <= 0 || period <= 0) return;
  cpus = cpus > 0 ? std::min(cpus, quota / period) : quota / period;
}

int cpus_by_affinity() {
  // The kernel refuses a set that is smaller than its own number of possible CPUs.
  for (int size = CPU_SETSIZE; size <= 1 << 20; size *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(size),
                                                               [](cpu_set_t* p) { CPU_FREE(p); });
    const std::size_t bytes = CPU_ALLOC_SIZE(size);
    if (::sched_getaffinity(0, bytes, set.get()) == 0) return CPU_COUNT_S(bytes, set.get());
    if (errno != EINVAL) break;
  }
  return static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
}

}  // namespace

std::size_t memory_available_to_this_program() {
  const auto pages = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES));
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  std::size_t limit = pages / 4 * 3 * page;
  for_each_group({}, "memory", [&](const std::string& folder, bool v2) {
    apply_limit(folder + (v2 ? "/memory.max" : "/memory.limit_in_bytes"), limit);
  });
  return limit;
}

double cpu_quota(const ControlGroups& groups) {
  double cpus = 0;
  for_each_group(groups, "cpu", [&](const std::string& folder, bool v2) {
    double quota = 0;
    double period = 0;
    if (v2) {
      std::ifstream file(folder + "/cpu.max");
      if (file >> quota >> period) apply_quota(quota, period, cpus);
    } else {
      std::ifstream quota_file(folder + "/cpu.cfs_quota_us");
      std::ifstream period_file(folder + "/cpu.cfs_period_us");
      if (quota_file >> quota && period_file >> period) apply_quota(quota, period, cpus);
    }
  });
  return cpus;
}

std::size_t largest_file() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    return limit.rlim_cur;
  }
  return std::numeric_limits<std::size_t>::max();
}

int cpus_available_to_this_program() {
  int count = std::max(cpus_by_affinity(), 1);
  if (const double quota = cpu_quota(); quota > 0) {
    count = std::min(count, std::max(1, static_cast<int>(std::ceil(quota))));
  }
  return count;
}

}  // namespace multiprocessing::os
