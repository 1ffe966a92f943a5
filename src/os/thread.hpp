// SPDX-License-Identifier: BSL-1.0
// Threads of the library's own: they take no signals and do not count as the program's.
#pragma once

namespace multiprocessing::os {

/// Starts a detached thread with every signal blocked; `name` is a literal of at most 15 bytes.
/// Throws std::system_error. A forked child has none of them.
void start_library_thread(const char* name, void (*body)(void*), void* argument);

/// Threads of this process that the program itself started, the calling one included. One that
/// was just joined may still be counted for a moment.
[[nodiscard]] int program_threads() noexcept;

}  // namespace multiprocessing::os
