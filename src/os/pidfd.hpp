// SPDX-License-Identifier: BSL-1.0
// Processes by descriptor: no number that another process could have been given meanwhile.
#pragma once
#include <sys/types.h>

#include <optional>

#include "os/clock.hpp"
#include "os/fd.hpp"

namespace multiprocessing::os {

/// A descriptor of that process, readable once it has ended. Throws std::system_error (ESRCH: no
/// such process).
[[nodiscard]] Fd open_pidfd(pid_t pid);

/// Sends a signal; false if the process has ended. Throws std::system_error for what else fails.
bool send_signal(const Fd& pidfd, int signal);

/// Sleeps until the descriptor is readable; false: the deadline passed first.
bool wait_readable(int fd, const Deadline& deadline) noexcept;

/// What became of a child's status.
enum class Reaped {
  kNotYet,  ///< it has not ended
  kTaken,   ///< the status is here
  kStolen   ///< somebody else in this process waited for it, or SIGCHLD is ignored
};

/// Takes the status of a child of this process as waitpid(2) encodes it; never blocks.
Reaped reap(const Fd& pidfd, int& status);

/// The status of process number `pid` that has ended and waits for somebody to reap it.
[[nodiscard]] std::optional<int> status_before_reaping(pid_t pid, const Fd& pidfd);

/// The status of a process that was reaped, if this kernel (6.15) keeps it.
[[nodiscard]] std::optional<int> status_after_reaping(const Fd& pidfd) noexcept;

/// Exit code N, or -N where signal N ended the process.
[[nodiscard]] int exit_code_of(int status) noexcept;

}  // namespace multiprocessing::os
