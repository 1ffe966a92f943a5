// SPDX-License-Identifier: BSL-1.0
// Tells process trees apart, also those of other machines.
#pragma once
#include <string>

namespace multiprocessing::managers {

/// The same in all processes that share an arena, and in no others.
[[nodiscard]] const std::string& tree_id();

}  // namespace multiprocessing::managers
