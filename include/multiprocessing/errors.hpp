// SPDX-License-Identifier: BSL-1.0
// Every error of the library. What the system refuses is std::system_error with its errno.
//
// Errors are copied without throwing, and may be thrown in one shared library and caught in
// another. A message says which object, what was asked and what to do.
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace multiprocessing {

// A program built with hidden visibility still has to catch what the library throws.
#pragma GCC visibility push(default)

/// The base of all.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Base of the errors that Python's `multiprocessing` defines itself.
class ProcessError : public Error {
 public:
  using Error::Error;
};

/// `recv_bytes_into` was given less room than the message needs; the message is in here.
class BufferTooShort : public ProcessError {
 public:
  explicit BufferTooShort(std::vector<std::byte> message);

  /// The whole message that did not fit.
  [[nodiscard]] const std::vector<std::byte>& message() const noexcept { return *message_; }

 private:
  std::shared_ptr<const std::vector<std::byte>> message_;  // never null
};

/// The other side does not know the key.
class AuthenticationError : public ProcessError {
 public:
  using ProcessError::ProcessError;
};

/// The result of a pool or a future, or the other side of a connection, was not there in time.
class TimeoutError : public ProcessError {
 public:
  using ProcessError::ProcessError;
};

/// A queue has nothing to give (`queue.Empty`).
class Empty : public Error {
 public:
  using Error::Error;
};

/// A queue has no room (`queue.Full`).
class Full : public Error {
 public:
  using Error::Error;
};

/// The other side is closed everywhere and everything it sent has been received.
class EOFError : public Error {
 public:
  using Error::Error;
};

/// Sent to an other side that is closed everywhere.
class BrokenPipeError : public Error {
 public:
  using Error::Error;
};

class ValueError : public Error {
 public:
  using Error::Error;
};

class TypeError : public Error {
 public:
  using Error::Error;
};

class KeyError : public Error {
 public:
  using Error::Error;
};

class IndexError : public Error {
 public:
  using Error::Error;
};

class AttributeError : public Error {
 public:
  using Error::Error;
};

class AssertionError : public Error {
 public:
  using Error::Error;
};

class RuntimeError : public Error {
 public:
  using Error::Error;
};

class NotImplementedError : public Error {
 public:
  using Error::Error;
};

/// The shared segment's space is used up.
class MemoryError : public Error {
 public:
  using Error::Error;
};

/// A barrier was aborted, reset, timed out, or one of its waiting parties died.
class BrokenBarrierError : public Error {
 public:
  using Error::Error;
};

/// A process ended while it held a lock, or with items of a queue not marked as done.
class OwnerDiedError : public Error {
 public:
  /// `name` and `pid` are of who died; `lost` counts the items that it took along; `object` is the
  /// kind and name of what it held ("Lock", "JoinableQueue").
  OwnerDiedError(pid_t pid, const std::string& name, std::size_t lost = 0,
                 const std::string& object = {});

  /// The same with a text of the thrower's own, which names the process.
  OwnerDiedError(const std::string& text, pid_t pid, std::string name, std::size_t lost = 0);

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] const std::string& name() const noexcept { return *name_; }
  [[nodiscard]] std::size_t lost() const noexcept { return lost_; }

 private:
  std::shared_ptr<const std::string> name_;  // never null
  std::size_t lost_;
  pid_t pid_;
};

/// An exception that another process raised and whose type has no counterpart here.
class RemoteError : public Error {
 public:
  /// `type_name` and `message` are of the exception, `process` and `pid` of who raised it.
  RemoteError(std::string type_name, std::string message, std::string process, pid_t pid);

  [[nodiscard]] const std::string& type_name() const noexcept { return origin_->type_name; }
  [[nodiscard]] const std::string& message() const noexcept { return origin_->message; }
  [[nodiscard]] const std::string& process() const noexcept { return origin_->process; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

 private:
  struct Origin {
    std::string type_name;
    std::string message;
    std::string process;
  };
  std::shared_ptr<const Origin> origin_;  // never null
  pid_t pid_;
};

/// A pool cannot go on (`concurrent.futures.process.BrokenProcessPool`).
class BrokenProcessPool : public Error {
 public:
  using Error::Error;
};

/// A worker ended while it ran a task. That task alone fails with this; the pool goes on.
class WorkerLost : public BrokenProcessPool {
 public:
  /// `exitcode` as `Process::exitcode`: -N if signal N ended the worker. `task` says which task.
  WorkerLost(pid_t pid, int exitcode, std::string task);

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] int exitcode() const noexcept { return exitcode_; }
  [[nodiscard]] const std::string& task() const noexcept { return *task_; }

 private:
  std::shared_ptr<const std::string> task_;  // never null
  pid_t pid_;
  int exitcode_;
};

/// A future is not in the state that was asked for (`concurrent.futures.InvalidStateError`).
class InvalidStateError : public Error {
 public:
  using Error::Error;
};

/// The future was cancelled (`concurrent.futures.CancelledError`).
class CancelledError : public Error {
 public:
  using Error::Error;
};

#pragma GCC visibility pop

}  // namespace multiprocessing
