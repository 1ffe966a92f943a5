// SPDX-License-Identifier: BSL-1.0
#include "pool/ending.hpp"

#include <unistd.h>

#include <multiprocessing/detail/job.hpp>

#include "process/exit.hpp"

namespace multiprocessing::pool {

bool waits_for_ending() noexcept { return NeededByEnd::depth == 0 && process::ended_by_another(); }

}  // namespace multiprocessing::pool

namespace multiprocessing::detail {

void fail_unless_ending(const std::exception_ptr& error) {
  while (pool::waits_for_ending()) ::pause();
  std::rethrow_exception(error);
}

}  // namespace multiprocessing::detail
