// SPDX-License-Identifier: BSL-1.0
#include "connection/fifo_core.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <multiprocessing/errors.hpp>
#include <mutex>
#include <system_error>
#include <utility>

#include "os/no_sigpipe.hpp"
#include "os/poll.hpp"

namespace multiprocessing::detail {
namespace {

constexpr std::size_t kPipeBytes = std::size_t{64} << 10;

}  // namespace

void FifoEnd::fail(int error, const char* call, const char* what) const {
  throw std::system_error(error, std::generic_category(),
                          fmt::format("Fifo '{}': {}: {}", path_, call, what));
}

os::GuardedFd::Use FifoEnd::use(const char* call) {
  os::GuardedFd::Use fd = fd_.use();
  if (!fd) fail(EBADF, call, "handle is closed");
  return fd;
}

int FifoEnd::fileno() { return use("fileno").fd(); }

short FifoEnd::wait(const os::GuardedFd::Use& fd, short events, const os::Deadline& deadline,
                    const char* call) {
  for (;;) {
    // In slices: no call of the system's ends when another thread closes a pipe.
    const os::Deadline slice = os::Deadline::after(std::chrono::nanoseconds(os::kIdleNs));
    pollfd entry{fd.fd(), events, 0};
    os::poll_until(std::span(&entry, 1), deadline.at_ns() < slice.at_ns() ? deadline : slice);
    if (closed()) fail(EBADF, call, "handle is closed");
    if (entry.revents != 0) return entry.revents;
    if (deadline.passed()) return 0;
  }
}

// Events of an end that never had a writer are none; hung up means that all have gone.
void FifoReaderCore::receive(const os::GuardedFd::Use& fd, short events) {
  const std::lock_guard guard(mutex_);
  if ((events & POLLIN) == 0) {
    // Asked once more: another thread may have begun anew meanwhile.
    pollfd entry{fd.fd(), POLLIN, 0};
    at_end_ =
        os::poll_until(std::span(&entry, 1), os::Deadline::after(std::chrono::seconds(0))) > 0 &&
        (entry.revents & POLLIN) == 0;
    return;
  }
  std::array<char, kPipeBytes> part;
  const ssize_t got = ::read(fd.fd(), part.data(), part.size());
  if (got > 0) ahead_.append(part.data(), static_cast<std::size_t>(got));
  // Another process took it, if there is nothing.
  if (got < 0 && errno != EAGAIN && errno != EINTR && !closed()) {
    fail(errno, "read", "cannot read");
  }
}

std::string FifoReaderCore::take(const char* call, const os::Deadline& deadline,
                                 const std::function<Part()>& part) {
  const os::GuardedFd::Use fd = use(call);
  for (;;) {
    {
      const std::lock_guard guard(mutex_);
      if (Part ready = part()) return *std::move(ready);
    }
    const short events = wait(fd, POLLIN, deadline, call);
    if (events == 0) {
      throw TimeoutError(fmt::format("Fifo '{}': {}: the time is over", path(), call));
    }
    receive(fd, events);
  }
}

std::string FifoReaderCore::read(const os::Deadline& deadline) {
  return take("read", deadline, [this]() -> Part {
    if (!at_end_) return std::nullopt;
    lines_ = 0;
    return std::exchange(ahead_, {});
  });
}

std::string FifoReaderCore::readline(const os::Deadline& deadline) {
  return take("readline", deadline, [this]() -> Part {
    const std::size_t newline = ahead_.find('\n', lines_);
    lines_ = std::min(newline, ahead_.size());
    if (newline == std::string::npos && !at_end_) return std::nullopt;
    if (ahead_.empty()) {
      throw EOFError(
          fmt::format("Fifo '{}': readline: the last writer has closed; reopen() waits "
                      "for the next one",
                      path()));
    }
    std::string line = ahead_.substr(0, newline == std::string::npos ? newline : newline + 1);
    ahead_.erase(0, line.size());
    lines_ = 0;
    return line;
  });
}

void FifoReaderCore::reopen() {
  const os::GuardedFd::Use fd = use("reopen");
  const std::lock_guard guard(mutex_);
  const os::Fd fresh(::open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fresh) fail(errno, "reopen", "cannot open");
  at_end_ = false;
  // What the next writer has left is read at the old end: a new one would not be told that the
  // writer has gone already.
  pollfd old{fd.fd(), POLLIN, 0};
  os::poll_until(std::span(&old, 1), os::Deadline::after(std::chrono::seconds(0)));
  if (closed() || (old.revents & POLLIN) != 0) return;
  if (::dup3(fresh.get(), fd.fd(), O_CLOEXEC) < 0) {
    fail(errno, "reopen", "cannot replace the descriptor");
  }
}

void FifoWriterCore::write(std::span<const std::byte> bytes, const os::Deadline& deadline) {
  const os::GuardedFd::Use fd = use("write");
  const std::size_t all = bytes.size();
  const os::NoSigpipe no_signal;
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd.fd(), bytes.data(), bytes.size());
    if (closed()) fail(EBADF, "write", "handle is closed");
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      continue;
    }
    if (errno == EPIPE) {
      throw BrokenPipeError(fmt::format("Fifo '{}': write: nobody reads any more", path()));
    }
    if (errno != EAGAIN && errno != EINTR) fail(errno, "write", "cannot write");
    if (wait(fd, POLLOUT, deadline, "write") == 0) {
      throw TimeoutError(fmt::format("Fifo '{}': write: the time is over; {} of {} bytes have gone",
                                     path(), all - bytes.size(), all));
    }
  }
}

}  // namespace multiprocessing::detail
