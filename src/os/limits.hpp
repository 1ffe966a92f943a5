// SPDX-License-Identifier: BSL-1.0
// What the machine and its control group let this program have.
#pragma once
#include <cstddef>

namespace multiprocessing::os {

/// The smaller of 75 % of the machine's memory and the control group's limit.
[[nodiscard]] std::size_t memory_available_to_this_program();

}  // namespace multiprocessing::os
