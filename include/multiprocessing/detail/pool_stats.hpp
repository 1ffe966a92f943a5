// SPDX-License-Identifier: BSL-1.0
// What a pool tells of its workers.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <string>

namespace multiprocessing {

/// One worker of a pool at this moment. Its counts begin anew with each process at its place.
struct WorkerStats {
  std::string name;         ///< PoolWorker-N
  pid_t pid = 0;            ///< 0: none at the moment; of a ThreadPool this process
  std::uint64_t tasks = 0;  ///< items that it has ended
  double busy_seconds = 0;
  double idle_seconds = 0;
  unsigned restarts = 0;  ///< how often another process took this place
};

}  // namespace multiprocessing
