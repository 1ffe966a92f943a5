// SPDX-License-Identifier: BSL-1.0
// A named block as a file below /dev/shm, and the mark that tells that its maker is dead.
//
// A file of this library has the sticky bit set, which means nothing for a file, and its maker
// holds a lock (flock) on it. It gets its name only when both are so, and it has its size. The
// kernel drops the lock with the maker, however that dies: what is marked and not locked is stale.
// A pid, which may be given away again, plays no part.
//
// Who removes a name has a lock of another kind on the file, so that between its look and the
// removal nobody else makes room for a new block of that name. Death: the kernel drops the lock, as
// no fork comes while it is held.
//
// Fork: the lock belongs to the maker alone; a forked child lets its copy go at once, and the
// mapping that it inherits does not hold it.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "os/fd.hpp"
#include "sharedctypes/block_names.hpp"

namespace multiprocessing::sharedctypes {

/// A mapped block; unmapped by who has it.
struct MappedFile {
  std::string name;  // without a slash
  ino_t inode;
  std::byte* base;
  std::size_t size;
};

struct FilePlan {
  std::optional<std::string> name;  // none: one is made up
  std::size_t size;
  ManagerId manager = 0;
  std::span<const std::byte> contents = {};  // written before anybody can see it
};

/// THROWS: std::system_error (EEXIST…), MemoryError.
[[nodiscard]] MappedFile create_file(const FilePlan& plan);

/// THROWS: std::system_error (ENOENT…), ValueError if it has no bytes.
[[nodiscard]] MappedFile attach_file(const std::string& given);

/// Whether the name is (still) this file's; if not, errno says why.
[[nodiscard]] bool is_named(const char* name, ino_t inode) noexcept;

/// Removes the name if it is still this file's; else false.  THROWS: nothing; errno says why not,
/// ETIMEDOUT where another that is to remove it does not get on.
[[nodiscard]] bool unlink_file(const char* name, ino_t inode) noexcept;

/// See SharedMemory::cleanup_stale.
[[nodiscard]] std::size_t remove_stale_files();

}  // namespace multiprocessing::sharedctypes
