// SPDX-License-Identifier: BSL-1.0
// A start method.
#pragma once
#include <memory>
#include <string_view>

#include "process/core.hpp"

namespace multiprocessing::process {

class Launcher {
 public:
  Launcher() = default;
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;
  virtual ~Launcher() = default;

  /// As set_start_method and get_context name it.
  [[nodiscard]] virtual std::string_view method() const noexcept = 0;

  /// Starts a child that does `process.run()` and ends; returns in this process only. Throws
  /// std::system_error where the system refuses: nothing of the target has run then.
  [[nodiscard]] virtual std::shared_ptr<Child> launch(Process& process,
                                                      const std::shared_ptr<Core>& core) = 0;
};

/// fork(2): the child is a copy of this process, so the target may be anything.
[[nodiscard]] Launcher& fork_launcher();

/// fork and exec of the running program: the child is a fresh image of it.
[[nodiscard]] Launcher& spawn_launcher();

/// A single-threaded process forks on request: a fresh image, at the price of a fork.
[[nodiscard]] Launcher& forkserver_launcher();

}  // namespace multiprocessing::process
