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

/// How many ends of TCP connections have this port of 127.0.0.1 and a peer that has not closed its
/// own end.
[[nodiscard]] int tcp_connections_of(int port);

}  // namespace multiprocessing::test
