// SPDX-License-Identifier: BSL-1.0
// A pipe for one large block of bytes that waits for its reader.
//
// The writer's pages themselves go into the pipe (vmsplice), so the bytes are copied once, by the
// reader, and the writer comes back only when the reader has closed its end.
//
// Death: a reader that ends before it has read all is told to the writer; a writer that ends
// early is seen by the reader as an early end of the stream. SIGPIPE is never raised.
#pragma once
#include <atomic>
#include <cstddef>
#include <span>

#include "os/fd.hpp"
#include "os/no_fork.hpp"

namespace multiprocessing::os {

/// An end in use. A child that is forked meanwhile does not get it.
class RendezvousEnd {
 public:
  RendezvousEnd(Fd fd, const NoFork& since_it_was_made) noexcept;
  ~RendezvousEnd() { close(); }
  RendezvousEnd(const RendezvousEnd&) = delete;
  RendezvousEnd& operator=(const RendezvousEnd&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  void close() noexcept;

 private:
  Fd fd_;
  std::atomic<int>* entry_ = nullptr;
};

/// The writer's side: both ends, until the reader's has been sent away.
class RendezvousPipe {
 public:
  /// Good for `bytes`. Throws std::system_error.
  explicit RendezvousPipe(std::size_t bytes) : RendezvousPipe(bytes, NoFork()) {}

  [[nodiscard]] int reader() const noexcept { return reader_.fd(); }

  /// Closes this process's reader, writes all and waits until it has been read. False: every
  /// reader closed its end before.
  bool deliver(std::span<const std::byte> bytes);

 private:
  struct Ends {
    Fd reader;
    Fd writer;
  };
  RendezvousPipe(std::size_t bytes, const NoFork& no_fork) : RendezvousPipe(make(bytes), no_fork) {}
  RendezvousPipe(Ends ends, const NoFork& no_fork) noexcept;
  static Ends make(std::size_t bytes);

  RendezvousEnd reader_;
  RendezvousEnd writer_;
};

/// Reads until the buffer is full or the writer is gone; says how many bytes came.
[[nodiscard]] std::size_t read_delivered(const RendezvousEnd& reader, std::span<std::byte> buffer);

}  // namespace multiprocessing::os
