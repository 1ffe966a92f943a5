// SPDX-License-Identifier: BSL-1.0
#include "process/exit.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <optional>

#include "os/first_use.hpp"
#include "os/log.hpp"
#include "process/signal_calls.hpp"
#include "process/tree.hpp"
#include "sharedctypes/block_names.hpp"

namespace multiprocessing::process {
namespace {

struct Finalizers {
  // Sorted by the order in which they run: by falling priority, then by falling id.
  std::map<std::pair<int, FinalizerId>, std::function<void()>, std::greater<>> waiting;
  FinalizerId last_id = 0;
  unsigned maker = 0;  // the generation that they belong to
};

// Guarded by the process lock; never destroyed, for it is used at exit. Null: none was ever added.
Finalizers* finalizers = nullptr;

// A forked child starts without the finalizers of its parent. REQUIRES: the lock is held; what
// is returned is destroyed without it.
[[nodiscard]] decltype(Finalizers::waiting) forget_inherited(Finalizers& all) {
  decltype(Finalizers::waiting) inherited;
  if (all.maker != generation()) {
    inherited.swap(all.waiting);
    all.maker = generation();
  }
  return inherited;
}

std::function<void()> take_next(int lowest) {
  decltype(Finalizers::waiting) inherited;
  const std::lock_guard guard(lock());
  if (finalizers == nullptr) return nullptr;
  Finalizers& all = *finalizers;
  inherited = forget_inherited(all);
  if (all.waiting.empty() || all.waiting.begin()->first.first < lowest) return nullptr;
  return std::move(all.waiting.extract(all.waiting.begin()).mapped());
}

void run_finalizers(int lowest) noexcept {
  try {
    while (const auto finalizer = take_next(lowest)) {
      try {
        finalizer();
      } catch (const std::exception& error) {
        os::log(LogLevel::error, fmt::format("a finalizer failed: {}", error.what()));
      }
    }
  } catch (...) {
    os::log(LogLevel::error, "a finalizer failed");
  }
}

void end_children() noexcept {
  try {
    const auto children = live_children();
    for (const auto& core : children) {
      bool daemon = false;
      std::shared_ptr<Child> child;
      std::string name;
      {
        const std::lock_guard guard(lock());
        daemon = core->daemon;
        child = core->child;
        name = core->name;
      }
      if (!daemon || child == nullptr) continue;
      os::log(LogLevel::info, fmt::format("calling terminate() for daemon {}", name));
      os::send_signal(child->pidfd(), SIGTERM);
    }
    for (const auto& core : children) wait_for_end(*core, os::Deadline::never());
  } catch (const std::exception& error) {
    os::log(LogLevel::error, fmt::format("the children could not be joined: {}", error.what()));
  }
}

thread_local int exit_scopes = 0;

// Who ends the process is told from who ended the one that it was forked from by the generation.
// ending := generation + 1 : 31   destroys : 1     by std::exit, which destroys the globals
std::atomic<unsigned> ending{0};
thread_local unsigned ending_here = 0;  // generation + 1
thread_local unsigned destroys = 0;

// The names of blocks go after the children, who may still be attaching them.
[[maybe_unused]] const bool kNamesGoLast =
    (sharedctypes::before_first_name(register_exit_hook), true);

}  // namespace

FinalizerId add_finalizer(int priority, std::function<void()> finalizer) {
  register_exit_hook();
  decltype(Finalizers::waiting) inherited;
  const std::lock_guard guard(lock());
  if (finalizers == nullptr) finalizers = new Finalizers;
  Finalizers& all = *finalizers;
  inherited = forget_inherited(all);
  const FinalizerId id = ++all.last_id;
  all.waiting.emplace(std::pair(priority, id), std::move(finalizer));
  return id;
}

bool remove_finalizer(FinalizerId id) noexcept {
  decltype(Finalizers::waiting)::node_type removed;
  const std::lock_guard guard(lock());
  if (finalizers == nullptr) return false;
  Finalizers& all = *finalizers;
  if (all.maker != generation()) return false;
  const auto found = std::find_if(all.waiting.begin(), all.waiting.end(),
                                  [&](const auto& entry) { return entry.first.second == id; });
  if (found == all.waiting.end()) return false;
  removed = all.waiting.extract(found);
  return true;
}

bool begin_ending() noexcept {
  const unsigned own = generation() + 1;
  unsigned seen = ending.load();
  while (seen >> 1 != own) {
    if (ending.compare_exchange_weak(seen, own << 1 | destroys)) {
      ending_here = own;
      break;
    }
  }
  return ending_here == own;
}

bool ended_by_another() noexcept {
  const unsigned own = generation() + 1;
  return ending.load() == own << 1 && ending_here != own;
}

void run_exit_procedure() noexcept {
  static std::atomic<unsigned> done_by{0};
  const unsigned own = generation() + 1;
  settle_signal_calls();
  while (!begin_ending()) ::pause();
  if (done_by.exchange(own) == own) return;
  os::log(LogLevel::info, "process shutting down");
  run_finalizers(0);
  end_children();
  run_finalizers(std::numeric_limits<int>::min());
  sharedctypes::remove_names_at_end();
  end_signal_calls();
}

void register_exit_hook() {
  // At the first need and not before main: then it runs before the destructors of globals, whose
  // queues and locks the children may be using.
  static constinit os::FirstUse<const int> registered;
  static_cast<void>(registered.get([] {
    return std::atexit([] {
      destroys = 1;
      run_exit_procedure();
    });
  }));
}

ExitScope::ExitScope() noexcept { ++exit_scopes; }
ExitScope::~ExitScope() { --exit_scopes; }

bool in_exit_scope() noexcept { return exit_scopes > 0; }

}  // namespace multiprocessing::process
