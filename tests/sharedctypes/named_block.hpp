// SPDX-License-Identifier: BSL-1.0
// Blocks by their names, as the system shows them.
#pragma once
#include <unistd.h>

#include <multiprocessing/shared_memory.hpp>
#include <string>

namespace multiprocessing::test {

inline bool exists(const std::string& name) {
  return ::access(("/dev/shm/" + name).c_str(), F_OK) == 0;
}

/// Makes one and forgets it.
inline void make_block(const char* name) { SharedMemory(create, 100, name); }

}  // namespace multiprocessing::test
