// SPDX-License-Identifier: BSL-1.0
#include "os/pidfd.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace multiprocessing::os {
namespace {

// The kernel's struct pidfd_info, which older headers lack.
struct PidfdInfo {
  std::uint64_t mask;
  std::uint64_t cgroup_id;
  std::uint32_t pid, tgid, ppid;
  std::uint32_t ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  std::int32_t exit_status;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr std::uint64_t kInfoExit = 1U << 3;
constexpr unsigned long kGetInfo = _IOC(_IOC_READ | _IOC_WRITE, 0xFF, 11, sizeof(PidfdInfo));
constexpr idtype_t kByPidfd = static_cast<idtype_t>(3);  // P_PIDFD

}  // namespace

Fd open_pidfd(pid_t pid) {
  const long fd = ::syscall(SYS_pidfd_open, pid, 0U);
  if (fd < 0) throw std::system_error(errno, std::generic_category(), "cannot open a pidfd");
  return Fd(static_cast<int>(fd));
}

bool send_signal(const Fd& pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0U) == 0) return true;
  if (errno == ESRCH) return false;
  throw std::system_error(errno, std::generic_category(), "cannot send a signal to a process");
}

bool wait_readable(int fd, const Deadline& deadline) noexcept {
  pollfd entry{fd, POLLIN, 0};
  while (true) {
    const int ready = ::poll(&entry, 1, deadline.poll_ms());
    if (ready > 0) return true;
    if (ready == 0 && deadline.passed()) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

Reaped reap(const Fd& pidfd, int& status) {
  siginfo_t info{};
  const auto id = static_cast<id_t>(pidfd.get());
  // __WALL: a child made with an exit signal other than SIGCHLD is a child too.
  while (::waitid(kByPidfd, id, &info, WEXITED | WNOHANG | __WALL) != 0) {
    if (errno == EINTR) continue;
    if (errno == ECHILD) return Reaped::kStolen;
    throw std::system_error(errno, std::generic_category(), "cannot wait for a child process");
  }
  if (info.si_pid == 0) return Reaped::kNotYet;
  const int core = info.si_code == CLD_DUMPED ? WCOREFLAG : 0;
  status = info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : info.si_status | core;
  return Reaped::kTaken;
}

std::optional<int> status_before_reaping(pid_t pid, const Fd& pidfd) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  // The number is not another's while its process is there.
  if (!send_signal(pidfd, 0)) return std::nullopt;
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos || line.compare(name_end, 4, ") Z ") != 0) return std::nullopt;
  constexpr int kState = 3;  // fields as proc(5) numbers them
  constexpr int kExitCode = 52;
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  for (int i = kState; i < kExitCode; ++i) fields >> field;
  int status = 0;
  if (!(fields >> status)) return std::nullopt;
  return status;
}

std::optional<int> status_after_reaping(const Fd& pidfd) noexcept {
  PidfdInfo info{};
  // Whoever reaps first marks the child as taken and files its status a moment later.
  for (int round = 0; round < 20; ++round) {
    info.mask = kInfoExit;
    const int result = ::ioctl(pidfd.get(), kGetInfo, &info);
    if (result == 0 && (info.mask & kInfoExit) != 0) return info.exit_status;
    if (result != 0) return std::nullopt;
    const timespec pause{0, 500'000};
    ::nanosleep(&pause, nullptr);
  }
  return std::nullopt;
}

int exit_code_of(int status) noexcept {
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace multiprocessing::os
