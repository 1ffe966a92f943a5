// SPDX-License-Identifier: BSL-1.0
// A started child as its parent sees it, whatever started it.
#pragma once
#include <sys/types.h>

#include <memory>
#include <optional>
#include <utility>

#include "memory/identity.hpp"
#include "os/pidfd.hpp"
#include "process/exit_record.hpp"

namespace multiprocessing::process {

/// How a child ended.
struct Ending {
  int exitcode = 0;      ///< N, or -N on signal N
  bool clean = false;    ///< it let go of everything shared before it left
  bool guessed = false;  ///< nobody knows the exit code
};

class Child {
 public:
  Child(pid_t pid, os::Fd pidfd) noexcept : pid_(pid), pidfd_(std::move(pidfd)) {}
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  virtual ~Child() = default;

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] const os::Fd& pidfd() const noexcept { return pidfd_; }

  /// Takes the status once it has ended, at most once; waits a moment at the most.
  /// Called under the process lock.
  virtual std::optional<Ending> poll() = 0;

  /// Sleeps until it has ended; false: the deadline passed first.
  virtual bool await_end(const os::Deadline& deadline);

  /// It has ended, and yet poll() has no status: sleeps a while, or until there may be one.
  virtual void await_status(const os::Deadline& deadline);

 private:
  pid_t pid_;
  os::Fd pidfd_;
};

/// A child of this very process, forked or forked and exec'd.
class DirectChild final : public Child {
 public:
  DirectChild(pid_t pid, os::Fd pidfd, RecordHandle record) noexcept
      : Child(pid, std::move(pidfd)), record_(std::move(record)) {}
  std::optional<Ending> poll() override;

 private:
  RecordHandle record_;
};

/// What is to be made of a status that somebody else took: `kernel` is what the kernel kept,
/// `report` what the child wrote before it left.
[[nodiscard]] Ending ending_of_stolen(std::optional<int> kernel, ExitReport report) noexcept;

}  // namespace multiprocessing::process
