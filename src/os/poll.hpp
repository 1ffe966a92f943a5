// SPDX-License-Identifier: BSL-1.0
// poll(2) until a deadline, undisturbed by signals.
#pragma once
#include <poll.h>

#include <cstdint>
#include <span>

#include "os/clock.hpp"

namespace multiprocessing::os {

inline constexpr std::int64_t kIdleNs = 250'000'000;

/// What a process does several times a second while it waits here, in however short calls: look for
/// what the dead left. It must not wait here itself.
void set_idle_work(void (*work)()) noexcept;
/// What is done after that; nothing before there is that.
void set_later_idle_work(void (*work)()) noexcept;
/// For those who wait elsewhere: does that work if it has not been done for kIdleNs.
void do_idle_work();

/// How many entries are ready; 0 when the deadline passed. Throws std::system_error.
int poll_until(std::span<pollfd> entries, const Deadline& deadline);

}  // namespace multiprocessing::os
