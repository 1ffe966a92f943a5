// SPDX-License-Identifier: BSL-1.0
#include "managers/own_socket.hpp"

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "os/fork_mutex.hpp"

namespace multiprocessing::managers {
namespace {

// Numbers + 1; 0: free. Where they are more, the further ones are kept by children: then these
// servers notice a client's death only when its children have ended, too. Changed under NoFork.
std::array<int, 8192> open_sockets;
std::size_t high_entry = 0;  // none from here on was ever used

void close_those_of_the_parent() {
  for (std::size_t i = 0; i < high_entry; ++i) {
    const int fd = std::exchange(open_sockets[i], 0) - 1;
    if (fd >= 0) ::close(fd);
  }
}

[[maybe_unused]] const int registered =
    ::pthread_atfork(nullptr, nullptr, close_those_of_the_parent);

int* enter(int fd) noexcept {
  if (fd < 0) return nullptr;
  for (std::size_t i = 0; i < open_sockets.size(); ++i) {
    if (open_sockets[i] != 0) continue;
    if (high_entry <= i) high_entry = i + 1;
    open_sockets[i] = fd + 1;
    return &open_sockets[i];
  }
  return nullptr;
}

}  // namespace

OwnSocket::OwnSocket(os::Fd fd) noexcept
    : fd_(std::move(fd)), generation_(os::fork_generation()), entry_(enter(fd_.get())) {}

OwnSocket& OwnSocket::operator=(OwnSocket&& other) noexcept {
  if (this == &other) return *this;
  close();
  fd_ = std::move(other.fd_);
  generation_ = other.generation_;
  entry_ = std::exchange(other.entry_, nullptr);
  return *this;
}

int OwnSocket::get() const noexcept {
  return generation_ == os::fork_generation() ? fd_.get() : -1;
}

void OwnSocket::close() noexcept {
  if (generation_ != os::fork_generation() && entry_ != nullptr) {
    // It was closed at the fork, and the number may be another's.
    static_cast<void>(fd_.release());
    entry_ = nullptr;
    return;
  }
  if (!fd_) return;
  const os::NoFork none;
  if (entry_ != nullptr) *std::exchange(entry_, nullptr) = 0;
  fd_.reset();
}

}  // namespace multiprocessing::managers
