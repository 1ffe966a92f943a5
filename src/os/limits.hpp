// SPDX-License-Identifier: BSL-1.0
// What the machine and its control group let this program have.
#pragma once
#include <cstddef>
#include <string>

namespace multiprocessing::os {

/// The smaller of 75 % of the machine's memory and the control group's limit.
[[nodiscard]] std::size_t memory_available_to_this_program();

/// How large this process may make a file, without meeting SIGXFSZ.
[[nodiscard]] std::size_t largest_file() noexcept;

/// CPUs that this program can keep busy: its affinity, cut by the control group's quota; 1 at
/// least.
[[nodiscard]] int cpus_available_to_this_program();

/// Where the kernel tells of control groups; tests give other places.
struct ControlGroups {
  std::string membership = "/proc/self/cgroup";
  std::string root = "/sys/fs/cgroup";
};

/// The CPU time that the control groups allow, in CPUs, or 0 without a limit.
[[nodiscard]] double cpu_quota(const ControlGroups& groups = {});

}  // namespace multiprocessing::os
