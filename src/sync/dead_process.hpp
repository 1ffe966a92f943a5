// SPDX-License-Identifier: BSL-1.0
// Who died, kept in a shared object: the process's own slot is soon another's.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "memory/identity.hpp"

namespace multiprocessing::sync {

/// Written and read under a lock of the object that it lies in.
struct DeadProcess {
  std::int32_t pid;
  char name[52];  ///< ends with a zero

  void note(memory::Serial serial) noexcept;
  void note(std::int32_t dead_pid, std::string_view dead_name) noexcept;
  [[nodiscard]] std::string text() const;  ///< "process Process-3 (pid 41)"
};
static_assert(sizeof(DeadProcess) == 56);

}  // namespace multiprocessing::sync
