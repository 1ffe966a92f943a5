// SPDX-License-Identifier: BSL-1.0
// This process's place among its relatives: itself, its parent, its children.
//
// One lock guards all of it and every Core. It is held across fork, never while waiting, and never
// while something is called that takes another lock of the library.
#pragma once
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "process/core.hpp"

namespace multiprocessing::process {

/// The process lock.
[[nodiscard]] std::mutex& lock() noexcept;

/// How many forks lie between the first process and this one. Tells a process's own cores from
/// those that it inherited: no pid, which may be given away or counted in another namespace.
[[nodiscard]] unsigned generation() noexcept;

/// This process.
[[nodiscard]] std::shared_ptr<Core> current();
/// The process that started this one; null in the first.
[[nodiscard]] std::shared_ptr<Core> parent();

/// The name of a process object.
[[nodiscard]] std::string name_of(const Core& core);

/// Makes a child to be: it gets the next number and what this process hands down.
[[nodiscard]] std::shared_ptr<Core> make_core(ProcessOptions options);
/// Another one with the same target and settings. Throws AssertionError if it was started.
[[nodiscard]] std::shared_ptr<Core> copy_core(const Core& other);

/// Adds a child that was started.  REQUIRES: the lock is held.
void add_child(std::shared_ptr<Core> child);

/// Takes the statuses of all children that have ended.
void reap_children();
/// The same, but only so often that its cost does not grow with the number of live children.
void reap_children_sometimes();
/// The children that are alive, in the order of their starts, after reap_children().
[[nodiscard]] std::vector<std::shared_ptr<Core>> live_children();

/// The exit code if the child has ended; takes its status if nobody did. Null while it runs and
/// for what is no child of this process.
std::optional<int> poll_end(Core& core);
/// Sleeps until the child has ended or the deadline passed; says whether it has ended.
bool wait_for_end(Core& core, const os::Deadline& deadline);

/// This process as the children that it forks from here on will see their parent. Made before the
/// fork: the child allocates nothing.
[[nodiscard]] std::shared_ptr<Core> image_for_children();

/// In a forked child: from here on `own` is this process and `parent`, an image, its parent; it
/// has no children yet.  REQUIRES: `own` lives as long as this process.
void become(Core& own, std::shared_ptr<Core> parent) noexcept;

/// In a fresh image whose own Process object is there: its children are numbered from 1.
void restart_numbering() noexcept;

}  // namespace multiprocessing::process
