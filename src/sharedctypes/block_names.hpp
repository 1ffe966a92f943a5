// SPDX-License-Identifier: BSL-1.0
// The names of the blocks that the processes of this tree have made: who removes them when nobody
// unlinks them. Entries in the arena, changed under one lock.
//
// entry := creator inode manager name   inode 0: free; so is a dead creator's whose file is gone
//
// Death, at any instruction:
//   with a name entered and not made: the inode tells that it is no block of this tree;
//   with a block made: its entry is there, and whoever ends in order last removes it;
//   in the lock: an entry is complete by one store, its inode's, and a new one is linked by the
//   next holder if its maker has not got to it; of the whole tree: marks on the files are left
//   (block_file.hpp), for remove_stale().
// Where another process was stopped while it removes a name, the entry stays: a later end tries
// again.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string_view>

namespace multiprocessing::sharedctypes {

/// Which SharedMemoryManager a block belongs to; 0: to none.
using ManagerId = std::uint64_t;

inline constexpr std::size_t kBlockNameMax = 255;  // as for any file

/// Before the file has its name.  THROWS: MemoryError.
void enter_name(std::string_view name, ino_t inode, ManagerId manager);
/// After it has lost it, or did not get it.
void leave_name(ino_t inode) noexcept;

/// Unlinks the blocks of that manager; what cannot be unlinked in time, an end in order does.
void remove_names_of(ManagerId manager) noexcept;

/// At the orderly end of this process, when its children have ended: unlinks the blocks of this and
/// of dead processes if this is the first process of the tree, or if that one is dead.
void remove_names_at_end() noexcept;

/// Has `f` called in each process before its first block gets a name: it is to see to it that
/// remove_names_at_end is called. Without one, std::atexit does.
void before_first_name(void (*f)()) noexcept;

}  // namespace multiprocessing::sharedctypes
