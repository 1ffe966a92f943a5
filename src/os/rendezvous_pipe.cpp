// SPDX-License-Identifier: BSL-1.0
#include "os/rendezvous_pipe.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

#include "os/no_sigpipe.hpp"
#include "os/poll.hpp"

namespace multiprocessing::os {
namespace {

constexpr std::size_t kPipeBytesMax = std::size_t{1} << 20;
constexpr std::size_t kPipeBytesMin = std::size_t{64} << 10;

// Ends that are in use, each plus 1; more than these are not closed in a child.
std::array<std::atomic<int>, 64> open_ends{};

// A child that holds an end by accident would keep the other side from seeing its parent's death.
void close_those_of_the_parent() {
  for (std::atomic<int>& entry : open_ends) {
    const int fd = entry.exchange(0) - 1;
    if (fd >= 0) ::close(fd);
  }
}

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

[[maybe_unused]] const int registered =
    ::pthread_atfork(nullptr, nullptr, close_those_of_the_parent);

// Some sandboxes forbid vmsplice: plain writes do the same with one copy more.
// Neither waits for room.
ssize_t write_some(int fd, std::span<const std::byte> bytes) noexcept {
  static std::atomic<bool> no_splice{false};
  if (!no_splice.load(std::memory_order_relaxed)) {
    const iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
    const ssize_t put = ::vmsplice(fd, &part, 1, SPLICE_F_NONBLOCK);
    if (put >= 0 || (errno != ENOSYS && errno != EPERM && errno != EINVAL)) return put;
    no_splice.store(true, std::memory_order_relaxed);
  }
  ::fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK);
  return ::write(fd, bytes.data(), bytes.size());
}

bool write_all(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write_some(fd, bytes);
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    } else if (errno == EPIPE) {
      return false;
    } else if (errno == EAGAIN) {
      // Not in the call: a reader's end that a dead process left behind keeps it from ending.
      pollfd entry{fd, POLLOUT, 0};
      poll_until(std::span(&entry, 1), Deadline::never());
    } else if (errno != EINTR) {
      fail("Connection: cannot send a large message");
    }
  }
  return true;
}

}  // namespace

RendezvousEnd::RendezvousEnd(Fd fd, const NoFork&) noexcept : fd_(std::move(fd)) {
  for (std::atomic<int>& entry : open_ends) {
    int none = 0;
    if (!entry.compare_exchange_strong(none, fd_.get() + 1)) continue;
    entry_ = &entry;
    break;
  }
}

void RendezvousEnd::close() noexcept {
  if (!fd_) return;
  const NoFork no_fork;
  if (entry_ != nullptr) std::exchange(entry_, nullptr)->store(0);
  fd_.reset();
}

RendezvousPipe::RendezvousPipe(Ends ends, const NoFork& no_fork) noexcept
    : reader_(std::move(ends.reader), no_fork), writer_(std::move(ends.writer), no_fork) {}

RendezvousPipe::Ends RendezvousPipe::make(std::size_t bytes) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail("Connection: cannot make a pipe for a large message");
  // The system may refuse; a smaller one only means more turns.
  const std::size_t room =
      bytes < kPipeBytesMax ? std::max(std::bit_ceil(bytes), kPipeBytesMin) : kPipeBytesMax;
  ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(room));
  return {Fd(ends[0]), Fd(ends[1])};
}

bool RendezvousPipe::deliver(std::span<const std::byte> bytes) {
  const NoSigpipe quiet;
  reader_.close();
  if (!write_all(writer_.fd(), bytes)) return false;
  // The pages in the pipe are the caller's: they must not change before they have been read.
  // Asked again now and then, for a process that the reader forked may keep the reader's end.
  for (;;) {
    pollfd entry{writer_.fd(), 0, 0};
    const bool closed =
        poll_until(std::span(&entry, 1), Deadline::after(std::chrono::milliseconds(20))) != 0;
    int left = 0;
    if (::ioctl(writer_.fd(), FIONREAD, &left) != 0) fail("Connection: cannot ask a pipe");
    if (left == 0) return true;
    if (closed) return false;
  }
}

std::size_t read_delivered(const RendezvousEnd& reader, std::span<std::byte> buffer) {
  std::size_t done = 0;
  while (done < buffer.size()) {
    const ssize_t got = ::read(reader.fd(), buffer.data() + done, buffer.size() - done);
    if (got == 0) break;
    if (got > 0) {
      done += static_cast<std::size_t>(got);
    } else if (errno != EINTR) {
      fail("Connection: cannot receive a large message");
    }
  }
  return done;
}

}  // namespace multiprocessing::os
