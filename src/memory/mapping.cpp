// SPDX-License-Identifier: BSL-1.0
// Makes the memfd and maps it, within what the machine and its limits allow.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/memory.hpp>
#include <mutex>
#include <string>
#include <system_error>

#include "memory/arena.hpp"
#include "memory/layout.hpp"
#include "os/first_use.hpp"
#include "os/fresh_image.hpp"
#include "os/limits.hpp"
#include "os/poll.hpp"

namespace multiprocessing {
namespace memory {
namespace {

constexpr std::size_t kMaxBytes = kChunksAt + kMaxChunks * kChunkBytes;
constexpr std::size_t kMinBytes = kChunksAt + 16 * kChunkBytes;

std::mutex limit_mutex;
std::size_t chosen_limit = 0;  // guarded by limit_mutex; 0: nobody chose
bool mapped = false;           // guarded by limit_mutex

std::size_t limit_from_environment() {
  const char* text = std::getenv("MULTIPROCESSING_SEGMENT_LIMIT");
  if (text == nullptr || *text == '\0') return 0;
  std::size_t bytes = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, bytes);
  if (error != std::errc{} || stop != end || bytes == 0) {
    throw ValueError(std::string("MULTIPROCESSING_SEGMENT_LIMIT is \"") + text +
                     "\": set it to a number of bytes, such as 1073741824");
  }
  return bytes;
}

std::size_t limit_bytes() {
  if (chosen_limit != 0) return chosen_limit;
  if (const std::size_t bytes = limit_from_environment(); bytes != 0) return bytes;
  return os::memory_available_to_this_program();
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(),
                          std::string("the shared arena: cannot ") + what);
}

ParkingSocket known_parking(int in, int out) noexcept {
  struct stat of_in {};
  struct stat of_out {};
  if (::fstat(in, &of_in) != 0 || ::fstat(out, &of_out) != 0) return {-1, -1, {}};
  return {in, out, {of_in.st_ino, of_out.st_ino}};
}

ParkingSocket make_parking() noexcept {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return {-1, -1, {}};
  const int room = 212'992;  // what everybody may ask for; the kernel gives twice as much
  ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
  return known_parking(ends[0], ends[1]);
}

const Control* map_near(int fd, void* arena) noexcept {
  void* const page = ::mmap(nullptr, kSlotsAt, PROT_READ, MAP_SHARED, fd, 0);
  return static_cast<const Control*>(page == MAP_FAILED ? arena : page);
}

Mapping make() {
  const std::lock_guard guard(limit_mutex);
  const std::size_t limit = limit_bytes();
  const int fd = ::memfd_create("multiprocessing", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) fail("be created by memfd_create");
  std::size_t bytes = std::min(kMaxBytes, os::largest_file());
  void* base = MAP_FAILED;
  while (bytes >= kMinBytes) {
    base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (base != MAP_FAILED) break;
    bytes /= 2;  // a limit of the address space: a smaller window will do
  }
  if (base == MAP_FAILED || ::ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    const int error = errno;
    ::close(fd);
    errno = error;
    fail("be mapped: raise the limits of address space (ulimit -v) and file size (ulimit -f)");
  }
  // Nobody can cut the file off under a mapping: no SIGBUS.
  ::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  ::madvise(base, bytes, MADV_DONTDUMP);
  mapped = true;
  Mapping result{static_cast<std::byte*>(base),     bytes,          fd,
                 (bytes - kChunksAt) / kChunkBytes, make_parking(), map_near(fd, base)};
  os::set_idle_work(note_death);
  result.control().bytes = bytes;
  result.control().limit_chunks = std::clamp<std::size_t>(limit / kChunkBytes, 1, result.chunks);
  return result;
}

// The arena of the process that started this fresh image.
Mapping inherit(const os::SharedDescriptors& shared) {
  const std::lock_guard guard(limit_mutex);
  const int fd = shared.arena;
  struct stat file {};
  const bool sealed = (::fcntl(fd, F_GET_SEALS) & F_SEAL_SHRINK) != 0;
  if (!sealed || ::fstat(fd, &file) != 0) fail("be inherited: its descriptor is not there");
  const auto bytes = static_cast<std::size_t>(file.st_size);
  void* base = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
  if (base == MAP_FAILED) fail("be mapped");
  ::madvise(base, bytes, MADV_DONTDUMP);
  mapped = true;
  os::set_idle_work(note_death);
  return {static_cast<std::byte*>(base),
          bytes,
          fd,
          (bytes - kChunksAt) / kChunkBytes,
          known_parking(shared.parking_in, shared.parking_out),
          map_near(fd, base)};
}

}  // namespace

const Mapping& mapping() {
  static constinit os::FirstUse<const Mapping> one;
  return one.get([] { return os::birth() ? inherit(os::birth()->shared) : make(); });
}

os::SharedDescriptors shared_descriptors() {
  const Mapping& own = mapping();
  return {own.descriptor, own.parking.in, own.parking.out};
}

}  // namespace memory

void set_segment_limit(std::size_t bytes) {
  if (bytes == 0) throw ValueError("set_segment_limit(0): give at least one byte");
  const std::lock_guard guard(memory::limit_mutex);
  if (memory::mapped) {
    throw RuntimeError(
        "set_segment_limit: shared objects exist already; call it before the first of them");
  }
  memory::chosen_limit = bytes;
}

}  // namespace multiprocessing
