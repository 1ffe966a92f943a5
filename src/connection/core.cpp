// SPDX-License-Identifier: BSL-1.0
#include "connection/core.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <mutex>
#include <system_error>

#include "os/poll.hpp"

namespace multiprocessing::detail {

void ConnectionCore::fail(int error, const std::string& what) const {
  throw std::system_error(error, std::generic_category(), "Connection: " + what);
}

ConnectionCore& ConnectionCore::of(const Connection& c) {
  if (c.core_ == nullptr) {
    throw std::system_error(EBADF, std::generic_category(),
                            "Connection: handle is closed: it was moved from or never opened");
  }
  return *c.core_;
}

os::GuardedFd::Use ConnectionCore::use(const char* call, For purpose) {
  os::GuardedFd::Use use = fd_.use();
  if (!use) fail(EBADF, fmt::format("{}: handle is closed", call));
  if (purpose == For::kReading && !readable()) {
    fail(EBADF, fmt::format("{}: connection is write-only; receive at the other end", call));
  }
  if (purpose == For::kWriting && !writable_) {
    fail(EBADF, fmt::format("{}: connection is read-only; send at the other end", call));
  }
  return use;
}

void ConnectionCore::send(Fingerprint type, std::span<const std::byte> bytes,
                          std::span<const Handle> handles, std::span<const int> descriptors) {
  const os::GuardedFd::Use fd = use("send", For::kWriting);
  send_on(fd.fd(), {type, bytes, handles, descriptors});
}

Incoming ConnectionCore::receive(const char* call, std::optional<std::size_t> limit) {
  const os::GuardedFd::Use fd = use(call, For::kReading);
  Incoming message;
  if (any_pending_.load(std::memory_order_acquire) && take_pending(message)) {
    if (limit && message.bytes.size() > *limit) refuse(message.bytes.size(), *limit);
    return message;
  }
  try {
    receive_on(fd.fd(), message, limit);
  } catch (const std::system_error&) {
    // Closed by another thread meanwhile: that is what went wrong.
    if (closed() && readable()) fail(EBADF, fmt::format("{}: handle is closed", call));
    throw;
  }
  return message;
}

void ConnectionCore::end_reading() noexcept {
  readable_.store(false, std::memory_order_relaxed);
  if (!writable_) close();
}

void ConnectionCore::refuse(std::uint64_t bytes, std::size_t limit) {
  end_reading();
  fail(EMSGSIZE, fmt::format("recv_bytes({}): bad message length: the next message has {} bytes; "
                             "this end cannot be read any more",
                             limit, bytes));
}

// REQUIRES: pending_mutex_ is held.
void ConnectionCore::drop_parents_pending() noexcept {
  if (pending_generation_ == os::fork_generation()) return;
  pending_generation_ = os::fork_generation();
  pending_.clear();
  any_pending_.store(false, std::memory_order_release);
}

bool ConnectionCore::take_pending(Incoming& message) {
  const std::lock_guard guard(pending_mutex_);
  drop_parents_pending();
  if (pending_.empty()) return false;
  message = std::move(pending_.front());
  pending_.pop_front();
  any_pending_.store(!pending_.empty(), std::memory_order_release);
  return true;
}

bool ConnectionCore::has_pending() {
  if (!any_pending_.load(std::memory_order_acquire)) return false;
  const std::lock_guard guard(pending_mutex_);
  drop_parents_pending();
  return !pending_.empty();
}

void ConnectionCore::give_back(Incoming&& message) {
  message.keep();
  const std::lock_guard guard(pending_mutex_);
  drop_parents_pending();
  pending_.push_front(std::move(message));
  any_pending_.store(true, std::memory_order_release);
}

Arrived ConnectionCore::arrived(int, bool told) {
  return told ? Arrived::kMessage : Arrived::kNothing;
}

bool ConnectionCore::ready(bool told) {
  const os::GuardedFd::Use fd = use("poll", For::kReading);
  return has_pending() || arrived(fd.fd(), told) != Arrived::kNothing;
}

bool ConnectionCore::poll(const os::Deadline& deadline) {
  const os::GuardedFd::Use fd = use("poll", For::kReading);
  if (has_pending()) return true;
  for (bool told = false;;) {
    const bool soon = !deadline.passed() && begin_wait();
    if (arrived(fd.fd(), told) != Arrived::kNothing) return true;
    pollfd entry{fd.fd(), POLLIN, 0};
    told = os::poll_until(std::span(&entry, 1), soon ? deadline.or_soon() : deadline) != 0;
    if (!told && (!soon || deadline.passed())) return false;
  }
}

int ConnectionCore::fileno() {
  const os::GuardedFd::Use fd = fd_.use();
  if (!fd) fail(EBADF, "fileno: handle is closed");
  return fd.fd();
}

int ConnectionCore::watched_fileno() {
  const os::GuardedFd::Use fd = fd_.use();
  if (!fd) fail(EBADF, "fileno: handle is closed");
  if (readable()) watch(fd.fd());
  return fd.fd();
}

void ConnectionCore::close() {
  fd_.close();
  closed_here();
  std::deque<Incoming> pending;
  {
    const std::lock_guard guard(pending_mutex_);
    pending.swap(pending_);
    any_pending_.store(false, std::memory_order_release);
  }
}

}  // namespace multiprocessing::detail
