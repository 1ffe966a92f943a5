// SPDX-License-Identifier: BSL-1.0
// The life of a child, from its first instruction to its last.
#pragma once
#include <memory>

#include "process/core.hpp"

namespace multiprocessing::process {

/// Makes this process the child that `core` describes, with `record` to leave its report in.
void enter_child(Core& core, std::shared_ptr<Core> parent, ExitRecord& record) noexcept;

/// Does what the child is for and leaves. `core` is that of `process`.
[[noreturn]] void run_child(Process& process, const Core& core) noexcept;

/// Ends a child in order: its own children, its streams, what it shares. Any thread may call it.
[[noreturn]] void leave(int exitcode) noexcept;

/// Whether this process was started by this library, and leave() is its end.
[[nodiscard]] bool is_child() noexcept;

}  // namespace multiprocessing::process
