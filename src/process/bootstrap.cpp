// SPDX-License-Identifier: BSL-1.0
#include "process/bootstrap.hpp"

#include <cxxabi.h>
#include <fmt/format.h>
#include <unistd.h>

#include <exception>
#include <utility>

#include "memory/object.hpp"
#include "os/log.hpp"
#include "os/stdio.hpp"
#include "os/thread.hpp"
#include "os/title.hpp"
#include "process/exit.hpp"
#include "process/report.hpp"
#include "process/tree.hpp"
#include "process/watch.hpp"

namespace multiprocessing::process {
namespace {

// Where this process leaves its report. A raw fork of a child has the pointer but not the right.
ExitRecord* own_record = nullptr;
unsigned own_generation = 0;
bool own_target_due = false;

std::string current_name() {
  const auto self = current();
  const std::lock_guard guard(lock());
  return self->name;
}

// The end of a thread that is caught is no object: UBSan would mind the reference to it.
__attribute__((no_sanitize("null"), noinline)) int run_target(Process& process) {
  const ExitScope scope;
  try {
    memory::require_adoption();
    os::log(LogLevel::info, "child process calling run()");
    process.run();
    return 0;
  } catch (const SystemExit& exit) {
    return exit.code();
  } catch (const abi::__forced_unwind&) {
    // pthread_exit in the target. The frames above are the parent's: they must not be unwound.
    leave(0);
  } catch (...) {
    report_exception(current_name());
    return 1;
  }
}

}  // namespace

void enter_child(Core& core, std::shared_ptr<Core> parent, ExitRecord& record) noexcept {
  become(core, std::move(parent));
  own_record = &record;
  own_generation = generation();
  own_target_due = true;
}

bool take_own_target() noexcept { return std::exchange(own_target_due, false); }

void run_child(Process& process, const Core& core) noexcept {
  // The child has this one thread: the core can be read without the lock.
  os::set_title(core.name);
  memory::set_own_name(core.name);
  if (core.daemon) end_with_parent(parent()->parent);
  leave(run_target(process));
}

bool is_child() noexcept { return own_record != nullptr; }

void leave(int exitcode) noexcept {
  run_exit_procedure();
  if (os::log_enabled(LogLevel::info)) {
    os::log(LogLevel::info, fmt::format("process exiting with exitcode {}", exitcode & 0xFF));
  }
  // Another thread may be using what is shared, or a child that was just forked: then the kernel's
  // word that this process is dead has to be enough.
  const bool alone = os::program_threads() == 1;
  const bool clean = alone && !memory::children_depend_on_references();
  os::flush_standard_streams();
  if (own_record != nullptr && own_generation == generation()) {
    own_record->write_report(exitcode, clean);
  }
  if (clean) memory::drop_all_references();
  ::_exit(exitcode);
}

}  // namespace multiprocessing::process
