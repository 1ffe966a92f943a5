// SPDX-License-Identifier: BSL-1.0
#include "process/start_method.hpp"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>

namespace multiprocessing {
namespace process {
namespace {

std::array<Launcher*, 3> launchers() {
  return {&fork_launcher(), &spawn_launcher(), &forkserver_launcher()};
}

// Null: nobody chose. What a process chose, its forked children have chosen too.
std::atomic<Launcher*> chosen{nullptr};

}  // namespace

Launcher& launcher_named(std::string_view method) {
  for (Launcher* launcher : launchers()) {
    if (launcher->method() == method) return *launcher;
  }
  throw ValueError(fmt::format(
      R"(there is no start method "{}": give "fork", "spawn" or "forkserver")", method));
}

namespace {

// What the user of a program chose for it, where the program itself did not.
Launcher& launcher_of_environment() {
  const char* method = std::getenv("MULTIPROCESSING_START_METHOD");
  return method == nullptr || *method == '\0' ? fork_launcher() : launcher_named(method);
}

}  // namespace

Launcher& default_launcher() {
  if (Launcher* launcher = chosen.load()) return *launcher;
  Launcher* none = nullptr;
  chosen.compare_exchange_strong(none, &launcher_of_environment());
  return *chosen.load();
}

std::string_view chosen_method() noexcept {
  const Launcher* const launcher = chosen.load();
  return launcher == nullptr ? std::string_view() : launcher->method();
}

}  // namespace process

void set_start_method(std::string_view method, bool force) {
  process::Launcher& launcher = process::launcher_named(method);
  process::Launcher* none = nullptr;
  if (force) {
    process::chosen.store(&launcher);
  } else if (!process::chosen.compare_exchange_strong(none, &launcher)) {
    throw RuntimeError(fmt::format(
        "set_start_method(\"{}\"): the start method is \"{}\" already, set or used before; call it "
        "once, first in main, or use get_context(\"{}\")",
        method, none->method(), method));
  }
}

std::string get_start_method() { return std::string(process::default_launcher().method()); }

std::vector<std::string> get_all_start_methods() {
  std::vector<std::string> names;
  for (const process::Launcher* launcher : process::launchers()) {
    names.emplace_back(launcher->method());
  }
  return names;
}

}  // namespace multiprocessing
