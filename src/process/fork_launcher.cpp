// SPDX-License-Identifier: BSL-1.0
// The start method fork.
//
// The child waits, every signal blocked, until the parent holds its pidfd and says "go": a handler
// of the program that waits for every child cannot have its number given away before. By the time
// that the child has looked around the word is there, so this costs nothing.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <system_error>

#include "os/first_use.hpp"
#include "os/log.hpp"
#include "os/signal_mask.hpp"
#include "os/spin.hpp"
#include "os/stdio.hpp"
#include "os/thread.hpp"
#include "process/bootstrap.hpp"
#include "process/launcher.hpp"
#include "process/tree.hpp"

namespace multiprocessing::process {
namespace {

bool several_threads() {
  if (os::program_threads() <= 1) return false;
  // A thread that was just joined may still be on its way out.
  const timespec pause{0, 1'000'000};
  ::nanosleep(&pause, nullptr);
  return os::program_threads() > 1;
}

void warn_of_threads(const std::string& name) {
  static std::atomic<bool> warned{false};
  if (warned.load(std::memory_order_relaxed) || !several_threads() || warned.exchange(true)) return;
  os::log_warning(fmt::format(
      "{} is started by fork from a program with {} threads: what another thread holds just now "
      "(a lock, a half-written buffer) stays so in the child for ever; the start methods spawn and "
      "forkserver have a fresh program as the child",
      name, os::program_threads()));
}

class ForkLauncher final : public Launcher {
 public:
  std::string_view method() const noexcept override { return "fork"; }

  std::shared_ptr<Child> launch(Process& process, const std::shared_ptr<Core>& core) override {
    warn_of_threads(name_of(*core));
    RecordHandle record = take_record(RecordPlace::kInherited);
    std::shared_ptr<Core> parent = image_for_children();
    const memory::Serial parent_serial = parent->parent.serial;
    os::flush_standard_streams();
    // So that no child has to ask for itself, see await_go.
    static_cast<void>(os::may_run_on_several_cpus());
    pid_t pid = -1;
    int error = 0;
    {
      const os::SignalMask blocked(SIG_BLOCK, os::all_signals());
      memory::expect_adoption_in(&record->adoption);
      pid = ::fork();
      memory::expect_adoption_in(nullptr);
      if (pid == 0) {
        enter_child(*core, std::move(parent), *record);
        // An orphan goes on, as Python's do.
        if (record->await_go(parent_serial) == Go::kGiveUp) ::_exit(0);
      } else if (pid > 0) {
        return adopt(pid, std::move(record));
      } else {
        error = errno;
        memory::forget_child(record->adoption);
      }
    }
    if (pid == 0) {
      os::drop_inherited_output();
      os::detach_stdin();
      run_child(process, *core);
    }
    throw std::system_error(error, std::generic_category(), "cannot fork");
  }

 private:
  static std::shared_ptr<Child> adopt(pid_t pid, RecordHandle record) {
    ExitRecord& shared = *record;
    try {
      os::Fd pidfd = os::open_pidfd(pid);
      auto child = std::make_shared<DirectChild>(pid, std::move(pidfd), std::move(record));
      shared.tell(Go::kGo);
      return child;
    } catch (...) {
      give_up(shared, pid);
      throw;
    }
  }

  // The child leaves without having run anything.
  static void give_up(ExitRecord& record, pid_t pid) noexcept {
    record.tell(Go::kGiveUp);
    while (::waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
    }
    memory::forget_child(record.adoption);
  }
};

}  // namespace

Launcher& fork_launcher() {
  static constinit os::FirstUse<ForkLauncher> launcher;
  return launcher.get();
}

}  // namespace multiprocessing::process
