// SPDX-License-Identifier: BSL-1.0
// The parent as its child sees it: whether it lives, and the end of daemons with it.
#pragma once
#include "process/core.hpp"

namespace multiprocessing::process {

/// Gives the watch a pidfd of the parent, which a daemon that its parent did not fork itself could
/// not get without a doubt.
void keep_parent(os::Fd pidfd) noexcept;

/// Starts the thread that ends this process by SIGTERM, half a second later by SIGKILL, once the
/// parent has ended, or has executed another program, which takes half a second to be seen. The
/// parent may be dead already, may be pid 1, and its thread that started this process may end:
/// PR_SET_PDEATHSIG is wrong in each of these.
void end_with_parent(const ParentLink& parent) noexcept;

/// A descriptor that is readable once the parent has ended.
[[nodiscard]] os::Fd open_parent(const ParentLink& parent);

}  // namespace multiprocessing::process
