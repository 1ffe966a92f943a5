// SPDX-License-Identifier: BSL-1.0
#include "os/stdio.hpp"

#include <fcntl.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <cstdio>
#include <ext/stdio_filebuf.h>
#include <iostream>

// glibc's list of open streams: fflush(nullptr) walks it too, but waits for each stream's lock,
// and thus for ever where another thread is blocked in a read.
extern "C" {
extern FILE* _IO_list_all;
void _IO_list_lock(void);
void _IO_list_unlock(void);
}

namespace multiprocessing::os {
namespace {

template <class Stream> void flush_one(Stream& stream) noexcept {
  try {
    stream.flush();
  } catch (...) {
    // The program asked this stream to throw; the failure shows at its own next write.
  }
}

}  // namespace

void flush_standard_streams() noexcept {
  flush_one(std::cout);
  flush_one(std::cerr);
  flush_one(std::clog);
  flush_one(std::wcout);
  flush_one(std::wcerr);
  flush_one(std::wclog);
  _IO_list_lock();
  for (FILE* file = _IO_list_all; file != nullptr; file = file->_chain) {
    if (::ftrylockfile(file) != 0) continue;
    if (::__fpending(file) != 0) ::fflush_unlocked(file);
    ::funlockfile(file);
  }
  _IO_list_unlock();
}

void detach_stdin() noexcept {
  const int null = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (null < 0) return;
  if (null == STDIN_FILENO) {
    ::fcntl(null, F_SETFD, 0);
  } else {
    ::dup2(null, STDIN_FILENO);
    ::close(null);
  }
  ::__fpurge(stdin);
  // Without sync_with_stdio std::cin has a buffer of its own; one that the program put there
  // instead is not standard input.
  auto* buffer = dynamic_cast<__gnu_cxx::stdio_filebuf<char>*>(std::cin.rdbuf());
  if (buffer == nullptr) return;
  for (auto ahead = buffer->in_avail(); ahead > 0; --ahead) buffer->sbumpc();
}

}  // namespace multiprocessing::os
