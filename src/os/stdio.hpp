// SPDX-License-Identifier: BSL-1.0
// The standard streams around a fork: nothing printed twice, nothing lost, nothing stolen.
//
// These functions look before they touch: after a fork every page that is written or called for the
// first time costs more than a system call.
#pragma once

namespace multiprocessing::os {

/// Flushes std::cout, std::cerr, std::clog, their wide brothers and every stdio stream. What
/// cannot be written (a closed stdout) is ignored; a stream that another thread is just using is
/// left alone, so that one blocked in a read or write does not block the caller. `alone`: this
/// process has no other thread of the program's.
void flush_standard_streams(bool alone) noexcept;

/// Opens the null device as each standard stream that is closed: no descriptor that this process
/// makes or is handed takes its number then.
void fill_standard_streams() noexcept;

/// Makes standard input the null device and drops what was read ahead.
void detach_stdin() noexcept;

}  // namespace multiprocessing::os
