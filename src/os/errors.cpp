// SPDX-License-Identifier: BSL-1.0
// The texts of the errors that carry more than a text.
#include <fmt/format.h>

#include <csignal>
#include <cstring>
#include <multiprocessing/errors.hpp>
#include <utility>

namespace multiprocessing {
namespace {

std::string owner_died_text(pid_t pid, const std::string& name, std::size_t lost,
                            const std::string& object) {
  if (lost > 0) {
    return fmt::format("{}: process {} (pid {}) died with {} item{} taken and not marked as done",
                       object.empty() ? "queue" : object, name, pid, lost, lost == 1 ? "" : "s");
  }
  return fmt::format(
      "{}: its holder, process {} (pid {}), died; repair what it guards and call make_consistent()",
      object.empty() ? "lock" : object, name, pid);
}

std::string exit_text(int exitcode) {
  if (exitcode >= 0) return fmt::format("with exit code {}", exitcode);
  const char* signal_name = ::sigabbrev_np(-exitcode);
  return signal_name == nullptr ? fmt::format("of signal {}", -exitcode)
                                : fmt::format("of signal {} (SIG{})", -exitcode, signal_name);
}

}  // namespace

BufferTooShort::BufferTooShort(std::vector<std::byte> message)
    : ProcessError(fmt::format(
          "buffer too short for a message of {} bytes; message() of this error has all of it",
          message.size())),
      message_(std::make_shared<const std::vector<std::byte>>(std::move(message))) {}

OwnerDiedError::OwnerDiedError(pid_t pid, const std::string& name, std::size_t lost,
                               const std::string& object)
    : OwnerDiedError(owner_died_text(pid, name, lost, object), pid, name, lost) {}

OwnerDiedError::OwnerDiedError(const std::string& text, pid_t pid, std::string name,
                               std::size_t lost)
    : Error(text),
      name_(std::make_shared<const std::string>(std::move(name))),
      lost_(lost),
      pid_(pid) {}

RemoteError::RemoteError(std::string type_name, std::string message, std::string process, pid_t pid)
    : Error(fmt::format("{}: {} (raised in process {}, pid {})", type_name, message, process, pid)),
      origin_(std::make_shared<const Origin>(
          Origin{std::move(type_name), std::move(message), std::move(process)})),
      pid_(pid) {}

WorkerLost::WorkerLost(pid_t pid, int exitcode, std::string task)
    : BrokenProcessPool(fmt::format("worker (pid {}) ended {} while it ran the task {}", pid,
                                    exit_text(exitcode), task)),
      task_(std::make_shared<const std::string>(std::move(task))),
      pid_(pid),
      exitcode_(exitcode) {}

}  // namespace multiprocessing
