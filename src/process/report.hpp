// SPDX-License-Identifier: BSL-1.0
// What is said of an exception that leaves a target.
#pragma once
#include <string>

namespace multiprocessing::process {

/// Writes `Process NAME (PID): TYPE: WHAT` to standard error, in one piece. REQUIRES: an exception
/// is being handled.
void report_exception(const std::string& name) noexcept;

}  // namespace multiprocessing::process
