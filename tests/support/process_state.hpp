// SPDX-License-Identifier: BSL-1.0
// What the system says of a process or a thread.
#pragma once
#include <sys/types.h>

namespace multiprocessing::test {

/// 'R' runs, 'S' sleeps, 'T' is stopped, 'Z' has ended and nobody has waited for it; see
/// /proc/PID/stat in proc(5). '\0': there is none of that number.
[[nodiscard]] char state_of(pid_t id);
/// 0: there is no such process.
[[nodiscard]] int threads_of(pid_t id);

}  // namespace multiprocessing::test
