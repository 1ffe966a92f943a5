// SPDX-License-Identifier: BSL-1.0
// The public class: who may do what, and when.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <multiprocessing/detail/type_name.hpp>
#include <multiprocessing/process.hpp>
#include <system_error>
#include <typeinfo>

#include "memory/identity.hpp"
#include "os/limits.hpp"
#include "process/bootstrap.hpp"
#include "process/core.hpp"
#include "process/exit.hpp"
#include "process/start_method.hpp"
#include "process/tree.hpp"
#include "process/watch.hpp"

namespace multiprocessing {

using process::Core;
using process::Role;
using process::State;

namespace {

Core& there(const std::shared_ptr<Core>& core) {
  if (core == nullptr) throw ValueError("this process object was moved away");
  return *core;
}

// The object's core, locked and not closed.
class Locked {
 public:
  explicit Locked(const std::shared_ptr<Core>& core) : core_(there(core)), guard_(process::lock()) {
    if (core_.state == State::kClosed) {
      throw ValueError(fmt::format("process object {} is closed", core_.name));
    }
  }
  Core* operator->() const noexcept { return &core_; }
  [[nodiscard]] bool started() const noexcept { return core_.state == State::kStarted; }

  // A process may ask and signal only what it has made.
  void require_own(std::string_view what) const {
    if (core_.role == Role::kChild && core_.maker == process::generation()) return;
    throw AssertionError(
        fmt::format("cannot {} {}: it is not a child of this process", what, core_.name));
  }
  void require_started(std::string_view what) const {
    if (started()) return;
    throw AssertionError(fmt::format("cannot {} {}: call start() first", what, core_.name));
  }

 private:
  Core& core_;
  std::lock_guard<std::mutex> guard_;
};

bool is_self(const std::shared_ptr<Core>& core) { return core == process::current(); }

bool daemonic(const Core& self) {
  const std::lock_guard guard(process::lock());
  return self.daemon;
}

void take_start_back(Core& core) {
  const std::lock_guard guard(process::lock());
  if (core.state == State::kStarting) core.state = State::kInitial;
}

// What was said, without the meaning of the code at its end.
std::string without_code(const std::system_error& error) {
  std::string text = error.what();
  const std::string code = ": " + error.code().message();
  if (text.ends_with(code)) text.resize(text.size() - code.size());
  return text;
}

}  // namespace

Process::Process() : Process(ProcessOptions{}) {}
Process::Process(ProcessOptions options) : core_(process::make_core(std::move(options))) {}
Process::Process(const Process& other) : core_(process::copy_core(there(other.core_))) {}
Process& Process::operator=(const Process& other) {
  if (this != &other) core_ = process::copy_core(there(other.core_));
  return *this;
}
Process::~Process() = default;

void Process::bind(std::shared_ptr<detail::Target> target) {
  core_->target = std::move(target);
  core_->has_target = true;
}

void Process::encode_subclass(detail::Encoder& /*encoder*/) const {
  throw TypeError(fmt::format(
      "{} is of the class {}, which cannot go to a fresh process image (start methods spawn and "
      "forkserver): derive it from multiprocessing::ProcessOf<{}> and give it serialize",
      name(), detail::readable_name(typeid(*this)), detail::readable_name(typeid(*this))));
}

void Process::run() {
  std::shared_ptr<detail::Target> target;
  {
    const bool self = is_self(core_);
    const Locked core(core_);
    if (!core->has_target) return;
    // A child has it to itself, and leaves the core alone, whose page it would have to copy.
    target = self ? std::shared_ptr<detail::Target>(std::shared_ptr<void>(), core->target.get())
                  : core->target;
    const bool called = core->target_called || (self && !process::take_own_target());
    if (!self) core->target_called = true;
    if (target == nullptr || called) {
      throw AssertionError(fmt::format(
          "cannot run the target of {}: it has run, or was handed to the child", core->name));
    }
  }
  target->call();
}

void Process::start() {
  const std::shared_ptr<Core> core = core_;
  const auto self = process::current();
  const bool self_is_daemon = daemonic(*self);
  process::Launcher* launcher = nullptr;
  {
    const Locked locked(core);
    if (locked->state != State::kInitial || core == self) {
      throw AssertionError(fmt::format("cannot start {} a second time", locked->name));
    }
    if (locked->maker != process::generation()) {
      throw AssertionError(fmt::format(
          "cannot start {}: it was made by another process, which alone may do so", locked->name));
    }
    if (self_is_daemon) {
      throw AssertionError(fmt::format(
          "cannot start {}: this process is a daemon, and daemons have no children", locked->name));
    }
    if (locked->target_called) {
      throw AssertionError(fmt::format(
          "cannot start {}: run() was called by hand, and its target can be called once",
          locked->name));
    }
    process::require_bootstrapped(locked->name);
    launcher = locked->launcher;
    locked->state = State::kStarting;
  }
  if (launcher == nullptr) launcher = &process::default_launcher();
  std::shared_ptr<detail::Target> target;  // dropped without the lock
  try {
    process::register_exit_hook();
    process::reap_children_sometimes();
    const std::shared_ptr<process::Child> child = launcher->launch(*this, core);
    const std::lock_guard guard(process::lock());
    core->child = child;
    core->pid = child->pid();
    core->state = State::kStarted;
    target = std::move(core->target);
    process::add_child(core);
  } catch (const std::system_error& error) {
    take_start_back(*core);
    throw std::system_error(error.code(),
                            fmt::format("{} was not started: {}", name(), without_code(error)));
  } catch (...) {
    take_start_back(*core);
    throw;
  }
}

bool Process::join(Timeout timeout) const {
  const auto deadline = os::Deadline::after(timeout);
  memory::Serial parent = memory::kNobody;
  {
    const Locked core(core_);
    if (core->role == Role::kParent) {
      parent = core->parent.serial;
    } else {
      core.require_own("join");
      core.require_started("join");
    }
  }
  if (parent != memory::kNobody) return memory::wait_for_death(parent, deadline);
  return process::wait_for_end(*core_, deadline);
}

bool Process::is_alive() const {
  if (is_self(core_)) return true;
  {
    const Locked core(core_);
    if (core->role == Role::kParent) return !memory::dead(core->parent.serial);
    core.require_own("ask after");
    if (!core.started()) return false;
  }
  return !process::poll_end(*core_).has_value();
}

void Process::terminate() const { send_signal(SIGTERM); }
void Process::kill() const { send_signal(SIGKILL); }
void Process::interrupt() const { send_signal(SIGINT); }

void Process::send_signal(int signal) const {
  const bool self = is_self(core_);
  std::shared_ptr<process::Child> child;
  {
    const Locked core(core_);
    if (self || core->role != Role::kChild || !core.started()) {
      throw AttributeError(
          fmt::format("cannot signal {}: it is no child that has been started", core->name));
    }
    core.require_own("signal");
    if (core->exitcode) return;
    child = core->child;
  }
  os::send_signal(child->pidfd(), signal);
}

void Process::close() {
  if (is_self(core_)) return;
  std::shared_ptr<process::Child> child;  // dropped without the lock
  std::shared_ptr<detail::Target> target;
  Core& core = there(core_);
  process::poll_end(core);
  const std::lock_guard guard(process::lock());
  if (core.state == State::kClosed || core.role == Role::kParent) return;
  const bool running = core.state == State::kStarting || (core.child && !core.exitcode);
  if (running) {
    throw ValueError(
        fmt::format("cannot close {} while it runs; call join() or terminate() first", core.name));
  }
  child = std::move(core.child);
  target = std::move(core.target);
  core.state = State::kClosed;
}

pid_t Process::pid() const {
  if (is_self(core_)) return ::getpid();
  return Locked(core_)->pid;
}

std::optional<int> Process::exitcode() const {
  { const Locked core(core_); }
  return process::poll_end(*core_);
}

int Process::sentinel() const {
  const Locked core(core_);
  if (core->role == Role::kParent) {
    if (!core->sentinel) core->sentinel = process::open_parent(core->parent);
    return core->sentinel.get();
  }
  if (!core.started() || core->role == Role::kMain) {
    throw ValueError(fmt::format("{} has no sentinel: it has not been started", core->name));
  }
  core.require_own("watch");
  return core->child->pidfd().get();
}

std::string Process::name() const {
  Core& core = there(core_);
  const std::lock_guard guard(process::lock());
  return core.name;
}

void Process::name(std::string_view name) {
  {
    Core& core = there(core_);
    const std::lock_guard guard(process::lock());
    core.name = name;
    core.name_is_given = true;
  }
  if (is_self(core_)) memory::set_own_name(name);
}

bool Process::daemon() const { return daemonic(there(core_)); }

void Process::daemon(bool daemon) {
  const bool self = is_self(core_);
  const Locked core(core_);
  if (core->state != State::kInitial && !self) {
    throw AssertionError(
        fmt::format("cannot change the daemon flag of {}: it has been started", core->name));
  }
  core->daemon = daemon;
}

std::vector<std::byte> Process::authkey() const {
  Core& core = there(core_);
  const std::lock_guard guard(process::lock());
  if (core.role == Role::kParent) throw KeyError("authkey: the parent's is not known here");
  return core.authkey;
}

void Process::authkey(std::span<const std::byte> key) {
  Core& core = there(core_);
  const std::lock_guard guard(process::lock());
  core.authkey.assign(key.begin(), key.end());
}

void Process::authkey(std::string_view key) { authkey(std::as_bytes(std::span(key))); }

Process current_process() { return process::Access::make(process::current()); }

std::optional<Process> parent_process() {
  if (auto parent = process::parent()) return process::Access::make(std::move(parent));
  return std::nullopt;
}

std::vector<Process> active_children() {
  std::vector<Process> result;
  for (auto& core : process::live_children()) {
    result.push_back(process::Access::make(std::move(core)));
  }
  return result;
}

int cpu_count() { return os::cpus_available_to_this_program(); }

}  // namespace multiprocessing
