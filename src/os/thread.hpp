// SPDX-License-Identifier: BSL-1.0
// Threads of the library's own: they take no signals and do not count as the program's.
#pragma once

namespace multiprocessing::os {

/// What a thread is to do. Lives until the thread begins its body, at least.
struct ThreadStart {
  const char* name;  ///< a literal of at most 15 bytes
  void (*body)(void*);
  void* argument;
};

/// Starts a detached thread with every signal blocked. Throws std::system_error. A forked child
/// has none of them. Allocates nothing: a thread's first allocation maps an arena of its own.
void start_library_thread(ThreadStart& start);

/// Threads of this process that the program itself started, the calling one included. One that
/// was just joined may still be counted for a moment.
[[nodiscard]] int program_threads() noexcept;

/// Whether the calling thread is one of the library's own, and runs no code of the program's.
[[nodiscard]] bool in_library_thread() noexcept;

/// While one lives, the library thread that made it runs code of the program's and counts as one
/// of its threads.
class ProgramCode {
 public:
  ProgramCode() noexcept;
  ~ProgramCode();
  ProgramCode(const ProgramCode&) = delete;
  ProgramCode& operator=(const ProgramCode&) = delete;
};

}  // namespace multiprocessing::os
