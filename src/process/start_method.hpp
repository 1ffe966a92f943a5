// SPDX-License-Identifier: BSL-1.0
// The start methods, and which of them this process uses where none is named.
#pragma once
#include <cstdint>
#include <string_view>

#include "process/launcher.hpp"

namespace multiprocessing::process {

/// The launcher of a method. THROWS: ValueError for a name that is none.
[[nodiscard]] Launcher& launcher_named(std::string_view method);

/// The launcher of the default method, which from here on cannot be chosen any more.
[[nodiscard]] Launcher& default_launcher();

/// The name of the default method; empty while it can still be chosen.
[[nodiscard]] std::string_view chosen_method() noexcept;

}  // namespace multiprocessing::process
