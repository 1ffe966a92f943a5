// SPDX-License-Identifier: BSL-1.0
// The standard streams around a fork: nothing printed twice, nothing lost, nothing stolen.
//
// These functions look before they touch: after a fork every page that is written or called for the
// first time costs more than a system call.
#pragma once

namespace multiprocessing::os {

/// Flushes std::cout, std::cerr, std::clog, their wide brothers and every stdio stream. What
/// cannot be written (a closed stdout) is ignored; a stream that another thread is just using is
/// left alone, so that one blocked in a read or write does not block the caller. A thread of the
/// library's leaves the C++ streams alone that stdio's locks do not guard.
void flush_standard_streams() noexcept;

/// In a forked child: drops what its parent has not written yet, for the parent will. Other threads
/// print between a flush and the fork.
void drop_inherited_output() noexcept;

/// Opens the null device as each standard stream that is closed: no descriptor that this process
/// makes or is handed takes its number then.
void fill_standard_streams() noexcept;

/// Makes standard input the null device and drops what was read ahead.
void detach_stdin() noexcept;

}  // namespace multiprocessing::os
