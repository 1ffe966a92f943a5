// SPDX-License-Identifier: BSL-1.0
// What all copies of a FifoReader or FifoWriter in one process share.
#pragma once
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "os/clock.hpp"
#include "os/fork_mutex.hpp"
#include "os/guarded_fd.hpp"

namespace multiprocessing::detail {

/// An open end, and whose it is in error messages.
class FifoEnd {
 public:
  FifoEnd(os::Fd fd, std::string path) noexcept : fd_(std::move(fd)), path_(std::move(path)) {}
  FifoEnd(const FifoEnd&) = delete;
  FifoEnd& operator=(const FifoEnd&) = delete;

  [[nodiscard]] int fileno();
  void close() noexcept { fd_.close(); }
  [[nodiscard]] bool closed() const noexcept { return fd_.closed(); }

 protected:
  ~FifoEnd() = default;
  /// THROWS: std::system_error with EBADF.
  [[nodiscard]] os::GuardedFd::Use use(const char* call);
  [[noreturn]] void fail(int error, const char* call, const char* what) const;
  /// What poll(2) says of the descriptor, 0 if the deadline has passed. THROWS: EBADF once it is
  /// closed.
  [[nodiscard]] short wait(const os::GuardedFd::Use& fd, short events, const os::Deadline& deadline,
                           const char* call);
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  os::GuardedFd fd_;
  const std::string path_;
};

class FifoReaderCore final : public FifoEnd {
 public:
  using FifoEnd::FifoEnd;

  [[nodiscard]] std::string read(const os::Deadline& deadline);
  [[nodiscard]] std::string readline(const os::Deadline& deadline);
  void reopen();

 private:
  using Part = std::optional<std::string>;
  [[nodiscard]] std::string take(const char* call, const os::Deadline& deadline,
                                 const std::function<Part()>& part);
  void receive(const os::GuardedFd::Use& fd, short events);

  os::ForkMutex mutex_;
  std::string ahead_;      // read and not handed out; guarded by mutex_
  std::size_t lines_ = 0;  // up to here it holds no newline; guarded by mutex_
  bool at_end_ = false;    // guarded by mutex_
};

class FifoWriterCore final : public FifoEnd {
 public:
  using FifoEnd::FifoEnd;
  void write(std::span<const std::byte> bytes, const os::Deadline& deadline);
};

}  // namespace multiprocessing::detail
