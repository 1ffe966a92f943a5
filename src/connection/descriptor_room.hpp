// SPDX-License-Identifier: BSL-1.0
// Whether this process may open more descriptors.
#pragma once
#include <cstddef>
#include <string>

namespace multiprocessing::connection {

/// For the next message, which stays if this throws: std::system_error (EMFILE) unless `count`
/// descriptors, and two for what comes with them, can be opened.
/// `fd` is any open descriptor.
void expect_room_for_descriptors(int fd, std::size_t count);

/// What the limit is and how to raise it, for an error message.
[[nodiscard]] std::string descriptor_limit();

}  // namespace multiprocessing::connection
