// SPDX-License-Identifier: BSL-1.0
// What all copies of a Connection in one process share.
//
// Messages that were received but not taken (another type was asked for) wait here, in this
// process alone; a forked child does not get its parent's.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <multiprocessing/connection.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "os/clock.hpp"
#include "os/fork_mutex.hpp"
#include "os/guarded_fd.hpp"

namespace multiprocessing::detail {

/// What receive() would find at once.
enum class Arrived { kNothing, kMessage, kEnd };

class ConnectionCore {
 public:
  ConnectionCore(os::Fd fd, bool readable, bool writable) noexcept
      : fd_(std::move(fd)), readable_(readable), writable_(writable) {}
  virtual ~ConnectionCore() = default;

  static ConnectionCore& of(const Connection& c);
  static Connection connection(std::shared_ptr<ConnectionCore> core) {
    return Connection(std::move(core));
  }

  void send(Fingerprint type, std::span<const std::byte> bytes, std::span<const Handle> handles,
            std::span<const int> descriptors);
  /// The next message. One of more than `limit` bytes ends the reading at this end (EMSGSIZE).
  Incoming receive(const char* call, std::optional<std::size_t> limit = {});
  void give_back(Incoming&& message);
  bool poll(const os::Deadline& deadline);
  /// Whether receive() returns at once. `told`: the descriptor was found readable. If not, the
  /// descriptor will tell.
  [[nodiscard]] bool ready(bool told);
  /// Somebody is about to sleep until the descriptor tells, and looks at ready() before. True: look
  /// again soon, for the moment it may not tell of all.
  [[nodiscard]] virtual bool begin_wait() { return false; }

  [[nodiscard]] int fileno();
  /// The same for somebody who will poll it without asking ready().
  [[nodiscard]] int watched_fileno();
  void close();
  [[nodiscard]] bool closed() const noexcept { return fd_.closed(); }
  [[nodiscard]] bool readable() const noexcept { return readable_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool writable() const noexcept { return writable_; }
  [[nodiscard]] bool pickles() const noexcept { return pickles_.load(std::memory_order_relaxed); }
  void pickles(bool on) noexcept { pickles_.store(on, std::memory_order_relaxed); }

  /// Writes what another process needs to have this end too.
  virtual void travel(Encoder& encoder) = 0;

 protected:
  struct Outgoing {
    Fingerprint type;
    std::span<const std::byte> bytes;
    std::span<const Handle> handles;
    std::span<const int> descriptors;
  };
  virtual void send_on(int fd, const Outgoing& message) = 0;
  virtual void receive_on(int fd, Incoming& message, std::optional<std::size_t> limit) = 0;
  /// Where the descriptor alone does not tell.
  virtual Arrived arrived(int fd, bool told);
  virtual void watch(int) {}
  virtual void closed_here() noexcept {}

  /// Throws std::system_error that names this connection.
  [[noreturn]] void fail(int error, const std::string& what) const;
  /// What a message too long does: this end reads no more, and is closed if it cannot write.
  void end_reading() noexcept;
  [[noreturn]] void refuse(std::uint64_t bytes, std::size_t limit);

 private:
  enum class For { kReading, kWriting };
  [[nodiscard]] os::GuardedFd::Use use(const char* call, For purpose);
  [[nodiscard]] bool take_pending(Incoming& message);
  [[nodiscard]] bool has_pending();
  void drop_parents_pending() noexcept;

  os::GuardedFd fd_;
  std::atomic<bool> readable_;
  const bool writable_;
  std::atomic<bool> pickles_{false};
  std::atomic<bool> any_pending_{false};
  os::ForkMutex pending_mutex_;
  std::deque<Incoming> pending_;          // guarded by pending_mutex_
  std::uint32_t pending_generation_ = 0;  // guarded: the process that received what is pending
};

}  // namespace multiprocessing::detail
