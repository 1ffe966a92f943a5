// SPDX-License-Identifier: BSL-1.0
// What is said of an exception that leaves what the program gave the library to call.
#pragma once
#include <string>

namespace multiprocessing::process {

/// Writes `Process NAME (PID): TYPE: WHAT` to standard error, in one piece; `where` begins with a
/// comma and follows the pid. REQUIRES: an exception is being handled.
void report_exception(const std::string& name, const std::string& where = {}) noexcept;

}  // namespace multiprocessing::process
