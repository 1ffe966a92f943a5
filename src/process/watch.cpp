// SPDX-License-Identifier: BSL-1.0
#include "process/watch.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <string>
#include <system_error>
#include <utility>

#include "os/log.hpp"
#include "os/thread.hpp"

namespace multiprocessing::process {
namespace {

// A pidfd of the parent, opened by a child; empty where there is none to be had.
os::Fd pidfd_of_living_parent(const ParentLink& parent) noexcept {
  try {
    os::Fd pidfd = os::open_pidfd(parent.pid);
    // Still our parent after the open: then it is no other process under its number.
    if (::getppid() == parent.pid) return pidfd;
  } catch (const std::system_error&) {
    // No such process, no descriptor left, or not allowed: its life word tells too.
  }
  return os::Fd();
}

os::Fd& handed_down() noexcept {
  static os::Fd instance;
  return instance;
}

// A parent that executes another program ends as well, and no pidfd tells of that: its life word is
// looked at now and then. False: this process cannot poll, or not this descriptor.
bool await_end_by(int pidfd, const ParentLink& parent) noexcept {
  constexpr std::chrono::milliseconds kLook{500};
  for (;;) {
    const auto look = os::Deadline::after(kLook);
    const bool readable = os::wait_readable(pidfd, look);
    if (memory::dead(parent.serial)) return true;
    // Readable although it lives: the program has closed the descriptor, or has another one there.
    if (readable || !look.passed()) return false;
  }
}

void await_end(const ParentLink& parent) noexcept {
  const int known = handed_down().get();
  if (known >= 0 && await_end_by(known, parent)) return;
  const os::Fd pidfd = pidfd_of_living_parent(parent);
  if (pidfd && await_end_by(pidfd.get(), parent)) return;
  memory::wait_for_death(parent.serial, os::Deadline::never());
}

void watch(void* parent) {
  await_end(*static_cast<const ParentLink*>(parent));
  ::kill(::getpid(), SIGTERM);
  const timespec grace{0, 500'000'000};
  ::nanosleep(&grace, nullptr);
  ::kill(::getpid(), SIGKILL);
}

}  // namespace

void keep_parent(os::Fd pidfd) noexcept { handed_down() = std::move(pidfd); }

void end_with_parent(const ParentLink& parent) noexcept {
  // One a process, and for its whole life.
  static ParentLink link;
  static os::ThreadStart start{"mp parent watch", watch, &link};
  link = parent;
  try {
    os::start_library_thread(start);
  } catch (const std::exception& error) {
    os::log_warning(std::string("this daemon would outlive a killed parent: ") + error.what());
  }
}

os::Fd open_parent(const ParentLink& parent) {
  os::Fd pidfd = pidfd_of_living_parent(parent);
  if (pidfd) return pidfd;
  if (!memory::dead(parent.serial)) {
    // Not by getppid (a fresh program image, another pid namespace), but alive after the open.
    pidfd = os::open_pidfd(parent.pid);
    if (!memory::dead(parent.serial)) return pidfd;
  }
  const int readable = ::eventfd(1, EFD_CLOEXEC);
  if (readable < 0) throw std::system_error(errno, std::generic_category(), "cannot make an fd");
  return os::Fd(readable);
}

}  // namespace multiprocessing::process
