// SPDX-License-Identifier: BSL-1.0
#include "os/stdio.hpp"

#include <fcntl.h>
#include <stdio_ext.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <ext/stdio_filebuf.h>
#include <ext/stdio_sync_filebuf.h>

#include <cstdio>
#include <iostream>
#include <typeinfo>

#include "os/thread.hpp"

// glibc's list of open streams: fflush(nullptr) walks it too, but waits for each stream's lock,
// and thus for ever where another thread is blocked in a read.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier): its names are reserved for it
extern FILE* _IO_list_all;
void _IO_list_lock(void);
void _IO_list_unlock(void);
// NOLINTEND(bugprone-reserved-identifier)
}

namespace multiprocessing::os {
namespace {

template <class Buffer, class Char> bool is_a(std::basic_streambuf<Char>* buffer) noexcept {
  return buffer != nullptr && typeid(*buffer) == typeid(Buffer);
}

template <class Char> void flush_one(std::basic_ostream<Char>& stream) noexcept {
  // Synchronised with stdio, the default, the stream has nothing of its own.
  if (is_a<__gnu_cxx::stdio_sync_filebuf<Char>>(stream.rdbuf())) return;
  try {
    stream.flush();
  } catch (...) {
    // The program asked this stream to throw; the failure shows at its own next write.
  }
}

// Read without the stream's lock: what another thread writes at this moment may be seen or not, and
// what is seen is looked at again under the lock. That the list is locked ThreadSanitizer cannot
// see.
__attribute__((no_sanitize("thread"))) bool seems_pending(const FILE* file) noexcept {
  const bool wide = file->_mode > 0;
  return wide || file->_IO_write_ptr > file->_IO_write_base;
}

template <class F> __attribute__((no_sanitize("thread"))) void for_each_pending(const F& f) {
  for (FILE* file = _IO_list_all; file != nullptr; file = file->_chain) {
    if (!seems_pending(file) || ::ftrylockfile(file) != 0) continue;
    if (::__fpending(file) != 0) f(file);
    ::funlockfile(file);
  }
}

void flush_stdio() noexcept {
  for_each_pending([](FILE* file) { ::fflush_unlocked(file); });
}

// What a buffer holds, which nobody guards. Asked before its type, which lies on pages that a
// fresh child has not touched.
template <class Char> struct Held : std::basic_streambuf<Char> {
  using Buffer = std::basic_streambuf<Char>;
  static bool unwritten(const Buffer& buffer) noexcept {
    return (buffer.*&Held::pptr)() != (buffer.*&Held::pbase)();
  }
  static bool unread(const Buffer& buffer) noexcept {
    return (buffer.*&Held::gptr)() != (buffer.*&Held::egptr)();
  }
  static void drop_unwritten(Buffer& buffer) noexcept {
    (buffer.*&Held::setp)((buffer.*&Held::pbase)(), (buffer.*&Held::epptr)());
  }
  static void drop_unread(Buffer& buffer) noexcept {
    (buffer.*&Held::setg)((buffer.*&Held::eback)(), (buffer.*&Held::egptr)(),
                          (buffer.*&Held::egptr)());
  }
};

template <class Char> void drop_unwritten(std::basic_ostream<Char>& stream) noexcept {
  std::basic_streambuf<Char>* const buffer = stream.rdbuf();
  if (buffer == nullptr || !Held<Char>::unwritten(*buffer)) return;
  if (is_a<__gnu_cxx::stdio_filebuf<Char>>(buffer)) Held<Char>::drop_unwritten(*buffer);
}

}  // namespace

void flush_standard_streams() noexcept {
  const bool own = !in_library_thread();
  if (own) {
    flush_one(std::cout);
    flush_one(std::cerr);
    flush_one(std::clog);
    flush_one(std::wcout);
    flush_one(std::wcerr);
    flush_one(std::wclog);
  }
  if (own && program_threads() == 1) {
    flush_stdio();
    return;
  }
  _IO_list_lock();
  flush_stdio();
  _IO_list_unlock();
}

void drop_inherited_output() noexcept {
  for_each_pending([](FILE* file) { ::__fpurge(file); });
  drop_unwritten(std::cout);
  drop_unwritten(std::clog);
  drop_unwritten(std::wcout);
  drop_unwritten(std::wclog);
}

void fill_standard_streams() noexcept {
  int fd = STDIN_FILENO;
  do {
    fd = ::open("/dev/null", O_RDWR);  // NOLINT(android-cloexec-open): programs inherit the streams
  } while (fd >= 0 && fd <= STDERR_FILENO);
  if (fd >= 0) ::close(fd);
}

void detach_stdin() noexcept {
  const char path[] = "/dev/null";  // on the stack
  // The lowest number that is free; no other thread can take it. By syscall(2), as in title.cpp: a
  // fresh child then touches one part of libc instead of two.
  ::syscall(SYS_close, STDIN_FILENO);
  if (::syscall(SYS_openat, AT_FDCWD, path, O_RDONLY) < 0) return;
  if (stdin != nullptr && stdin->_IO_read_ptr != stdin->_IO_read_end) ::__fpurge(stdin);
  // Without sync_with_stdio std::cin has a buffer of its own; one that the program put there
  // instead is not standard input.
  std::streambuf* const buffer = std::cin.rdbuf();
  if (buffer == nullptr || !Held<char>::unread(*buffer)) return;
  if (is_a<__gnu_cxx::stdio_filebuf<char>>(buffer)) Held<char>::drop_unread(*buffer);
}

}  // namespace multiprocessing::os
