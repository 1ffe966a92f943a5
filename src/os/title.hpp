// SPDX-License-Identifier: BSL-1.0
// What others see of this process in a listing.
#pragma once
#include <string_view>

namespace multiprocessing::os {

/// The name that ps(1) and top(1) show; cut to 15 bytes. Of the thread that calls, which is the
/// process's first where it shall be the process's.
void set_title(std::string_view name) noexcept;

}  // namespace multiprocessing::os
