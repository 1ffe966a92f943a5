// SPDX-License-Identifier: BSL-1.0
// Pipe and Connection: whole messages between two ends. Python: `multiprocessing.connection`.
//
// Threads: any number of threads and processes may send and receive at one end; a message comes
//          whole to one of them.
// Fork:    the child holds the ends that the parent holds. Close the copy that you do not use, or
//          the peer never reads the end of the stream.
// Death:   what a dead process sent whole is received, then EOFError comes once the other side is
//          closed everywhere. A message that its sender was killed in is an error and none of the
//          others is lost. Sending into a pipe that nobody can read is BrokenPipeError; SIGPIPE is
//          never raised.
// Signals: never disturb a wait.
#pragma once
#include <multiprocessing/detail/incoming.hpp>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <multiprocessing/timeout.hpp>

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace multiprocessing {

namespace detail {
class ConnectionCore;

/// This thread's encoder, emptied; another one where it is in use further up the stack.
class OutgoingEncoder {
 public:
  OutgoingEncoder();
  OutgoingEncoder(const OutgoingEncoder&) = delete;
  OutgoingEncoder& operator=(const OutgoingEncoder&) = delete;
  ~OutgoingEncoder();
  Encoder& operator*() noexcept { return *encoder_; }

 private:
  std::unique_ptr<Encoder> encoder_;
};
}  // namespace detail

/// One end of a Pipe. A handle: every copy in this process names the same end.
class Connection {
 public:
  /// Sends any message; returns when the kernel holds all of it, waits while the pipe is full.
  /// THROWS: BrokenPipeError, std::system_error (EBADF: closed, or an end for reading only).
  template <class T> void send(const T& value) {
    using Sent = detail::message_type_t<const T&>;
    detail::check_message<Sent>();
    detail::OutgoingEncoder encoder;
    detail::encode<Sent>(*encoder, value);
    send_message(detail::fingerprint<Sent>(), *encoder);
  }

  /// Waits for the next message. THROWS: EOFError at the end of the stream; TypeError that names
  /// both types if it is another one, which then stays for the next recv; std::system_error.
  template <class T = Object> [[nodiscard]] T recv() {
    detail::check_message<T>();
    detail::Incoming message = receive();
    try {
      detail::Decoder decoder = message.decoder();
      return detail::decode_as<T>(message.type, decoder);
    } catch (const TypeError&) {
      if (message.type != detail::fingerprint<T>()) give_back(std::move(message));
      throw;
    }
  }

  /// Sends bytes as they are; an empty message is one too.
  void send_bytes(std::span<const std::byte> bytes);
  void send_bytes(std::string_view bytes) { send_bytes(std::as_bytes(std::span(bytes))); }

  /// The next message of send_bytes. THROWS: as recv; std::system_error (EMSGSIZE) for one that is
  /// longer than `maxlength`, which stays.
  [[nodiscard]] std::vector<std::byte> recv_bytes(std::optional<std::size_t> maxlength = {});

  /// The same into `buffer`; says how many bytes they are. THROWS: BufferTooShort, which carries
  /// the whole message.
  std::size_t recv_bytes_into(std::span<std::byte> buffer);

  /// Whether a message can be received at once; at the end of the stream it says true.
  [[nodiscard]] bool poll() const;
  /// Waits for that.
  bool poll(Timeout timeout) const;

  /// The descriptor; poll it if you like, but don't read from it.
  [[nodiscard]] int fileno() const;
  /// Closes all copies of this end in this process, and in no other.
  void close();
  [[nodiscard]] bool closed() const;
  [[nodiscard]] bool readable() const;
  [[nodiscard]] bool writable() const;

  /// Whether both name the same end in this process.
  friend bool operator==(const Connection& a, const Connection& b) noexcept {
    return a.core_ == b.core_;
  }

 private:
  friend class detail::ConnectionCore;
  friend struct detail::Traveller<Connection>;
  explicit Connection(std::shared_ptr<detail::ConnectionCore> core) noexcept
      : core_(std::move(core)) {}
  void send_message(detail::Fingerprint type, const detail::Encoder& encoder);
  detail::Incoming receive();
  void give_back(detail::Incoming&& message);

  std::shared_ptr<detail::ConnectionCore> core_;
};

/// Two connected ends. With `duplex` both send and receive, else the first receives and the second
/// sends. THROWS: std::system_error (EMFILE). Python: `multiprocessing.Pipe`.
[[nodiscard]] std::pair<Connection, Connection> Pipe(detail::ExactlyBool auto duplex);
[[nodiscard]] std::pair<Connection, Connection> Pipe();

namespace detail {
[[nodiscard]] std::pair<Connection, Connection> make_pipe(bool duplex);

template <> struct Traveller<Connection> {
  static void encode(Encoder& encoder, const Connection& connection);
  static Connection decode(Decoder& decoder);
};
}  // namespace detail

inline std::pair<Connection, Connection> Pipe(detail::ExactlyBool auto duplex) {
  return detail::make_pipe(duplex);
}
inline std::pair<Connection, Connection> Pipe() { return detail::make_pipe(true); }

namespace connection {

/// Something to wait for: a Connection or a descriptor (a sentinel, a socket). Compares equal to
/// what it was made of.
class Waitable {
 public:
  Waitable(Connection connection)  // NOLINT(google-explicit-constructor): a braced mix of things
      : connection_(std::move(connection)) {}
  Waitable(int fd) noexcept : fd_(fd) {}  // NOLINT(google-explicit-constructor): the same

  [[nodiscard]] int fileno() const { return connection_ ? connection_->fileno() : fd_; }
  [[nodiscard]] bool ready_now() const;

  friend bool operator==(const Waitable& a, const Waitable& b) noexcept {
    return a.connection_ == b.connection_ && a.fd_ == b.fd_;
  }

 private:
  std::optional<Connection> connection_;
  int fd_ = -1;
};

/// Waits until one of them is ready, and says which are, in their order; none when the time is
/// over. Ready: a message or the end of the stream can be read, a process has ended.
/// THROWS: std::system_error (EBADF) for a closed Connection. Python: `connection.wait`.
[[nodiscard]] std::vector<Waitable> wait(std::initializer_list<Waitable> objects,
                                         Timeout timeout = forever);
[[nodiscard]] std::vector<Waitable> wait(const std::vector<Waitable>& objects,
                                         Timeout timeout = forever);
template <class T>
[[nodiscard]] std::vector<T> wait(const std::vector<T>& objects, Timeout timeout = forever);

namespace detail {
/// The indices of those that are ready.
std::vector<std::size_t> wait_for_any(std::span<const Waitable> objects, Timeout timeout);
}  // namespace detail

template <class T> std::vector<T> wait(const std::vector<T>& objects, Timeout timeout) {
  const std::vector<Waitable> all(objects.begin(), objects.end());
  std::vector<T> ready;
  for (const std::size_t i : detail::wait_for_any(all, timeout)) ready.push_back(objects[i]);
  return ready;
}

}  // namespace connection
}  // namespace multiprocessing
