// SPDX-License-Identifier: BSL-1.0
// The locks by which this process keeps the blocks that it has made from being stale: descriptors
// that stay open until the name is gone, whether or not the block is closed here.
//
// A descriptor keeps the memory as well. Those of blocks that others unlinked are let go when more
// are added, and when the block is closed.
#pragma once
#include <sys/types.h>

#include "os/fd.hpp"

namespace multiprocessing::sharedctypes {

/// `fd` is open for the file of that inode, and holds the lock.
void keep_guard(ino_t inode, os::Fd fd);

/// Lets it go, if there is one and the file has no name any more.
void drop_guard_if_unlinked(ino_t inode) noexcept;

}  // namespace multiprocessing::sharedctypes
