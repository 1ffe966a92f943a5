// SPDX-License-Identifier: BSL-1.0
// How a process object is printed.
#include <fmt/format.h>
#include <unistd.h>

#include <cstring>
#include <multiprocessing/process.hpp>
#include <ostream>

#include "process/core.hpp"
#include "process/tree.hpp"

namespace multiprocessing {
namespace {

std::string describe_end(int exitcode) {
  if (exitcode == 0) return " stopped";
  const char* signal = exitcode < 0 ? ::sigabbrev_np(-exitcode) : nullptr;
  return signal != nullptr ? fmt::format(" stopped exitcode=-SIG{}", signal)
                           : fmt::format(" stopped exitcode={}", exitcode);
}

const char* state_without_end(const process::Core& core) {
  switch (core.state) {
    case process::State::kInitial:
      return " initial";
    case process::State::kClosed:
      return " closed";
    case process::State::kStarting:
    case process::State::kStarted:
      break;
  }
  const bool foreign = core.role == process::Role::kChild && core.maker != process::generation();
  return foreign ? " unknown" : " started";
}

const char* kind_of(process::Role role) {
  switch (role) {
    case process::Role::kMain:
      return "_MainProcess";
    case process::Role::kParent:
      return "_ParentProcess";
    case process::Role::kChild:
      break;
  }
  return "Process";
}

}  // namespace

std::string Process::repr() const {
  if (core_ == nullptr) return "<Process moved away>";
  process::Core& core = *core_;
  const bool self = core_ == process::current();
  const std::optional<int> exitcode = process::poll_end(core);
  const auto parent = process::parent();
  const std::lock_guard guard(process::lock());
  std::string text = fmt::format("<{} name='{}'", kind_of(core.role), core.name);
  if (self) {
    if (parent != nullptr) text += fmt::format(" parent={}", parent->pid);
    text += " started";
  } else {
    if (core.pid != 0) text += fmt::format(" pid={}", core.pid);
    if (core.role == process::Role::kChild && core.maker == process::generation()) {
      text += fmt::format(" parent={}", ::getpid());
    }
    text += exitcode && core.state != process::State::kClosed ? describe_end(*exitcode)
                                                              : state_without_end(core);
  }
  if (core.daemon) text += " daemon";
  return text + ">";
}

std::ostream& operator<<(std::ostream& out, const Process& process) {
  return out << process.repr();
}

}  // namespace multiprocessing
