// SPDX-License-Identifier: BSL-1.0
// The life of a child, from its first instruction to its last.
#pragma once
#include <memory>
#include <string>

#include "process/core.hpp"

namespace multiprocessing::process {

struct ServedRequest;

/// Makes this process the child that `core` describes, with `record` to leave its report in.
void enter_child(Core& core, std::shared_ptr<Core> parent, ExitRecord& record) noexcept;

/// In a child, under the process lock: whether its target has yet to be called; from now on it has.
[[nodiscard]] bool take_own_target() noexcept;

/// In a fresh image: learns over `channel` from `parent` what it is for, does it and leaves. What
/// cannot be read is reported on standard error, with exit code 1.
[[noreturn]] void run_spawned_child(int channel, memory::Serial parent) noexcept;

/// The same for a child of a fork server, which `request` tells what it is for.
[[noreturn]] void run_served_child(ServedRequest& request, memory::Serial parent) noexcept;

/// Does what the child is for and leaves. `core` is that of `process`. REQUIRES: standard input is
/// detached.
[[noreturn]] void run_child(Process& process, const Core& core) noexcept;

/// Ends a child in order: its own children, its streams, what it shares. Any thread may call it.
[[noreturn]] void leave(int exitcode) noexcept;

/// Before a fresh image of this program is executed. THROWS: RuntimeError where it would run main.
void require_hook(const std::string& name);

/// THROWS: RuntimeError in a fresh image that has not got to what it was started for: its main was
/// run instead, which shall not start children once more.
void require_bootstrapped(const std::string& name);

/// Whether this process was started by this library, and leave() is its end.
[[nodiscard]] bool is_child() noexcept;

}  // namespace multiprocessing::process
