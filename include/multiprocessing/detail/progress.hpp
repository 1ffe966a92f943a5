// SPDX-License-Identifier: BSL-1.0
// How far a map has come, as a line on a terminal or as calls of a function.
#pragma once
#include <cstddef>
#include <functional>

namespace multiprocessing::detail {

/// What a job is to call with the items that have ended. The line goes to standard error, if that
/// is a terminal: count, rate and remaining time, several times a second.
[[nodiscard]] std::function<void(std::size_t done)> make_progress(
    std::size_t total, bool line, std::function<void(std::size_t, std::size_t)> call);

}  // namespace multiprocessing::detail
