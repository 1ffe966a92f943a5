// SPDX-License-Identifier: BSL-1.0
// Named pipes: bytes by way of a path, also from and to programs that do not know this library.
// Python: `os.mkfifo` and the files that `open` makes of it.
//
// Threads: may share an end; what a read takes, it takes whole.
// Fork:    the child has the ends too. Close the copy that you do not use, or the reader never sees
//          the end. A reader's child begins with what the parent had read and not handed out.
// Death:   of the last writer is the end for the reader, that of the last reader is for writers a
//          BrokenPipeError. SIGPIPE is never raised.
// Signals: never disturb a wait.
#pragma once
#include <multiprocessing/detail/message_traits.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/timeout.hpp>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace multiprocessing {

namespace detail {
class Encoder;
class Decoder;
class FifoReaderCore;
class FifoWriterCore;
}  // namespace detail

/// The end for reading. A handle: every copy in this process names the same end, which is closed
/// with the last of them. Use of a closed one is std::system_error with EBADF.
class FifoReader {
 public:
  FifoReader(const FifoReader&) = default;
  FifoReader& operator=(const FifoReader&) = default;

  /// Everything until the last writer has closed; waits for the first one. Empty when that end has
  /// been told already. THROWS: TimeoutError; what has come stays for the next call.
  [[nodiscard]] std::string read(Timeout timeout = forever);

  /// The next line with its newline; the last one may have none. Waits for the first writer.
  /// THROWS: EOFError when the last writer has closed and all is read; TimeoutError, as read.
  [[nodiscard]] std::string readline(Timeout timeout = forever);

  /// Begins anew after an end: the next call waits for the next writer. Whoever has written
  /// meanwhile is not lost. THROWS: std::system_error (ENOENT if the path is gone).
  void reopen();

  /// The descriptor, to wait for; it is not readable for lines that have been read already.
  [[nodiscard]] int fileno() const;
  void close();
  [[nodiscard]] bool closed() const noexcept;

 private:
  friend class Fifo;
  explicit FifoReader(std::shared_ptr<detail::FifoReaderCore> core) noexcept;
  std::shared_ptr<detail::FifoReaderCore> core_;
};

/// The end for writing. A handle, as FifoReader.
class FifoWriter {
 public:
  FifoWriter(const FifoWriter&) = default;
  FifoWriter& operator=(const FifoWriter&) = default;

  /// Returns when the pipe holds all of it; waits while it is full. Up to 4096 bytes go in one
  /// piece; longer ones of several writers may come mixed.
  /// THROWS: BrokenPipeError if nobody reads any more; TimeoutError, which says how much has gone.
  void write(std::span<const std::byte> bytes, Timeout timeout = forever);
  void write(std::string_view text, Timeout timeout = forever) {
    write(std::as_bytes(std::span(text)), timeout);
  }

  [[nodiscard]] int fileno() const;
  void close();
  [[nodiscard]] bool closed() const noexcept;

 private:
  friend class Fifo;
  explicit FifoWriter(std::shared_ptr<detail::FifoWriterCore> core) noexcept;
  std::shared_ptr<detail::FifoWriterCore> core_;
};

/// A named pipe by its path. A plain value, and a message.
class Fifo {
 public:
  /// Makes the named pipe, for this user alone, unless there is one. It stays until unlink().
  /// THROWS: std::system_error: EEXIST if something else is there, ENOENT…; ValueError for a NUL in
  /// the path.
  explicit Fifo(std::string path);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// The end for reading, at once; what it reads waits for a writer.
  [[nodiscard]] FifoReader reader() const;
  /// The end for writing, as soon as somebody has the other one. THROWS: TimeoutError.
  [[nodiscard]] FifoWriter writer(Timeout timeout = forever) const;

  /// Removes the path; ends that are open stay so. THROWS: std::system_error.
  void unlink();

  friend bool operator==(const Fifo&, const Fifo&) = default;

 private:
  std::string path_;
};

namespace detail {
template <> struct Traveller<Fifo> {
  static void encode(Encoder& encoder, const Fifo& fifo);
  static Fifo decode(Decoder& decoder);
};
}  // namespace detail

}  // namespace multiprocessing
