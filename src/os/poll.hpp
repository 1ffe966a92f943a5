// SPDX-License-Identifier: BSL-1.0
// poll(2) until a deadline, undisturbed by signals.
#pragma once
#include <poll.h>

#include <span>

#include "os/clock.hpp"

namespace multiprocessing::os {

/// How many entries are ready; 0 when the deadline passed. Throws std::system_error.
int poll_until(std::span<pollfd> entries, const Deadline& deadline);

}  // namespace multiprocessing::os
