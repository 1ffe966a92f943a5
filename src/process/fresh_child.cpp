// SPDX-License-Identifier: BSL-1.0
// A child in a fresh image, from its parent's description to its target.
//
// Death: of the parent before all is told: the child ends quietly. Of the child before it has taken
// its references: its parent settles that when it reaps it.
#include <unistd.h>

#include <cstdlib>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>

#include "os/fresh_image.hpp"
#include "os/stdio.hpp"
#include "process/bootstrap.hpp"
#include "process/description.hpp"
#include "process/fork_server.hpp"
#include "process/handover.hpp"
#include "process/report.hpp"
#include "process/start_method.hpp"
#include "process/surroundings.hpp"
#include "process/tree.hpp"
#include "process/watch.hpp"

namespace multiprocessing {
namespace process {
namespace {

// Whether this fresh image has found its way to what it was started for.
bool entered = false;

// Whether this program's fresh images will find theirs.
bool hooked = false;

// `ready` says whether the target shall run; nothing of the program's has been called before.
template <class Ready>
[[noreturn]] void run_described(detail::Decoder& decoder, ExitRecord& record, memory::Serial parent,
                                Ready ready) noexcept {
  std::string name = "a process that is starting";
  try {
    const Description description(decoder, parent);
    if (!ready(*description.core)) ::_exit(1);
    name = description.core->name;
    enter_child(*description.core, description.parent, record);
    restore_log(description.log);
    if (!description.start_method.empty()) set_start_method(description.start_method, true);
    const std::unique_ptr<Process> process = decode_process(decoder, description.core);
    restart_numbering();
    run_child(*process, *description.core);
  } catch (...) {
    report_exception(name);
    ::_exit(1);
  }
}

}  // namespace

void run_spawned_child(int channel, memory::Serial parent) noexcept {
  try {
    os::fill_standard_streams();
    os::detach_stdin();
    // Its references have to be there before those of the parent may go.
    HandedOver message(channel, {.serial = parent});
    ::close(channel);
    message.adopt();
    detail::Decoder decoder = message.decoder();
    // Kept for good: the record is written to at the very end.
    static const auto* const page =
        new memory::Handle(adopt_of_sender(decoder.take<memory::ObjectName>()));
    ExitRecord& record = record_in(*page, decoder.take<memory::Offset>());
    memory::note_adopted(record.adoption, parent);
    run_described(decoder, record, parent, [](const Core&) { return true; });
  } catch (const EOFError&) {
    // Not to be told of: the parent ended, so nobody wants the target to run.
    ::_exit(1);
  } catch (...) {
    report_exception("a process that is starting");
    ::_exit(1);
  }
}

void run_served_child(ServedRequest& request, memory::Serial parent) noexcept {
  try {
    assume_streams(request.front);
    if (request.message.has_handles()) {
      request.message.adopt();
      memory::note_adopted(request.record->adoption, parent);
    }
    detail::Decoder decoder = request.message.decoder();
    // Late: by then the word is mostly there.
    run_described(decoder, *request.record, parent, [&](const Core& core) {
      if (core.daemon) keep_parent(std::move(request.owner));
      request.owner.reset();
      return request.record->await_go(parent) == Go::kGo;
    });
  } catch (const EOFError&) {
    ::_exit(1);
  } catch (...) {
    report_exception("a process that is starting");
    ::_exit(1);
  }
}

void require_hook(const std::string& name) {
  if (hooked || os::fresh_image_is_another()) return;
  throw RuntimeError(
      name +
      " cannot be started by spawn or forkserver: this program would run its main a second time; "
      "call multiprocessing::freeze_support(argc, argv) first in main");
}

void require_bootstrapped(const std::string& name) {
  if (!os::birth() || entered) return;
  throw RuntimeError(
      name +
      " cannot be started: this process was itself started by spawn or forkserver and has not got "
      "to its target, but to main; call multiprocessing::freeze_support(argc, argv) first in main");
}

}  // namespace process

namespace detail {

bool is_fresh_image(int argc, char** argv) noexcept {
  // A look at the arguments spares a program that was started as usual the rest.
  constexpr std::string_view kMarkers = "--multiprocessing-fork";
  return argc == 4 && argv != nullptr && argv[1] != nullptr &&
         std::string_view(argv[1]).starts_with(kMarkers) && os::birth().has_value();
}

bool is_program_header(const void* elf_header) noexcept {
  return os::is_program_header(elf_header);
}

void note_program_hook() noexcept { process::hooked = true; }

void run_fresh_image() {
  const auto& birth = os::birth();
  if (!birth || process::entered) return;
  process::entered = true;
  switch (birth->role) {
    case os::ImageRole::kChild:
      process::run_spawned_child(birth->channel, birth->parent);
    case os::ImageRole::kServer:
      process::run_fork_server(birth->channel, birth->parent);
  }
}

}  // namespace detail

void freeze_support(int /*argc*/, char** /*argv*/) { freeze_support(); }
void freeze_support() {
  detail::note_program_hook();
  detail::run_fresh_image();
}
void set_executable(std::string path) { os::set_fresh_image(std::move(path)); }

}  // namespace multiprocessing
