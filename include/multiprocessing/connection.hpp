// SPDX-License-Identifier: BSL-1.0
// Pipe and Connection: whole messages between two ends. Python: `multiprocessing.connection`.
//
// Threads: any number of threads may send and receive at one end, and of processes at an end of a
//          Pipe; a message comes whole to one of them.
// Fork:    the child holds the ends that the parent holds. Close the copy that you do not use, or
//          the peer never reads the end of the stream. Messages that a recv of another type left
//          behind stay with the parent.
// Death:   what a dead process sent whole is received, then EOFError comes once the other side is
//          closed everywhere. Sending into a pipe that nobody can read is BrokenPipeError, some
//          20 microseconds after the last reader's death at the latest; SIGPIPE is never raised. A
//          process that is killed while it receives takes one message with it at most; one of more
//          than some 256 KiB, which is handed over, not left in the pipe, goes to the next
//          receiver. Nothing of a message that its sender was killed in is received.
// Signals: never disturb a wait.
#pragma once
#include <multiprocessing/detail/incoming.hpp>
#include <multiprocessing/detail/message.hpp>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <multiprocessing/timeout.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing {

class Listener;

namespace detail {
class ConnectionCore;

/// An array, vector, span… of numbers, which is sent as the bytes it consists of. Those of
/// std::byte and of characters go other ways.
template <class Buffer>
concept BufferOfNumbers = requires(Buffer& buffer) {
  requires std::is_arithmetic_v<std::remove_cvref_t<decltype(*std::data(buffer))>>;
  std::span(buffer);
}
&&!std::is_convertible_v<const Buffer&, std::string_view>;

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

/// One end of a Pipe, or of a connection between programs. A handle: every copy in this process
/// names the same end, which is closed with the last of them.
///
/// Use of a closed one, sending at an end for receiving and the other way round are
/// std::system_error with EBADF. A default-constructed one is closed.
class Connection {
 public:
  Connection() noexcept = default;

  /// Takes over a connected stream socket, also when it throws; it then speaks CPython's framing.
  /// THROWS: std::system_error, ValueError for what is no stream socket.
  explicit Connection(int fd, bool readable = true, bool writable = true);

  /// Sends any message; returns when all of it is on the way, waits while the pipe is full.
  /// A message of more than some 256 KiB waits for its receiver.
  /// THROWS: BrokenPipeError; std::system_error; TypeError for handles where they cannot travel;
  /// MemoryError if there is no shared memory for a pipe's first message; ValueError for a str that
  /// is not UTF-8 and an int beyond 64 bits where they are sent as a pickle, see pickles().
  template <class T> void send(const T& value) {
    using Sent = detail::message_type_t<const T&>;
    detail::check_message<Sent>();
    if constexpr (detail::kHasObjectForm<Sent>) {
      if (pickles()) {
        detail::OutgoingEncoder encoder;
        detail::encode_pickle_as<Sent>(*encoder, value);
        return send_message(kUntyped, *encoder);
      }
    }
    if constexpr (detail::kItsOwnMessage<Sent> && std::is_same_v<Sent, T>) {
      send_message(detail::fingerprint<Sent>(), std::as_bytes(std::span(&value, 1)));
    } else {
      detail::OutgoingEncoder encoder;
      detail::encode<Sent>(*encoder, value);
      send_message(detail::fingerprint<Sent>(), *encoder);
    }
  }

  /// Waits for the next message. THROWS: EOFError at the end of the stream; TypeError that names
  /// both types if it is another one, which then stays for the next recv in this process;
  /// std::system_error: EMFILE if there is no room for a descriptor in it (the message stays),
  /// ECONNRESET if its sender ended in the middle of it; ValueError for a pickle of something else
  /// than plain data, of an int beyond 64 bits, of a number that T cannot hold. That one is gone.
  template <class T = Object> [[nodiscard]] T recv() {
    detail::check_message<T>();
    detail::Incoming message = receive();
    try {
      if (message.type == kUntyped) return detail::decode_pickle_as<T>(message.bytes);
      detail::Decoder decoder = message.decoder();
      return detail::decode_as<T>(message.type, decoder);
    } catch (const TypeError&) {
      if (message.type != detail::fingerprint<T>()) give_back(std::move(message));
      throw;
    }
  }

  /// Sends `size` bytes from `offset`, or all from there, as one message; an empty one is one too.
  /// THROWS: as send; ValueError if the buffer has less.
  void send_bytes(std::span<const std::byte> bytes, std::size_t offset = 0,
                  std::optional<std::size_t> size = std::nullopt);
  void send_bytes(std::string_view bytes, std::size_t offset = 0,
                  std::optional<std::size_t> size = std::nullopt) {
    send_bytes(std::as_bytes(std::span(bytes)), offset, size);
  }
  /// The same for a buffer of numbers; offset and size count bytes.
  template <detail::BufferOfNumbers Buffer>
  void send_bytes(const Buffer& buffer, std::size_t offset = 0,
                  std::optional<std::size_t> size = std::nullopt) {
    send_bytes(std::as_bytes(std::span(buffer)), offset, size);
  }

  /// The next message as bytes. THROWS: as recv; TypeError for one with handles, which stays;
  /// EMSGSIZE for one longer than `maxlength`: then this end cannot be read any more, and is closed
  /// if it could only be read (Python: OSError, the same).
  [[nodiscard]] std::vector<std::byte> recv_bytes(
      std::optional<std::size_t> maxlength = std::nullopt);

  /// The same into `buffer` from `offset`; says how many bytes they are. THROWS: BufferTooShort,
  /// which carries the whole message; ValueError for an offset beyond the buffer.
  std::size_t recv_bytes_into(std::span<std::byte> buffer, std::size_t offset = 0);
  template <detail::BufferOfNumbers Buffer>
  std::size_t recv_bytes_into(Buffer&& buffer, std::size_t offset = 0) {
    return recv_bytes_into(std::as_writable_bytes(std::span(buffer)), offset);
  }

  /// Whether a message can be received at once; at the end of the stream it says true.
  [[nodiscard]] bool poll() const;
  /// Waits for that.
  bool poll(Timeout timeout) const;

  /// The descriptor; poll it if you like, but don't read from it. It is not readable for a message
  /// that stayed behind after a TypeError, or came together with one that was received before this
  /// was called: poll() knows of those.
  [[nodiscard]] int fileno() const;
  /// Closes all copies of this end in this process, and in no other. Closing twice is fine.
  void close();
  [[nodiscard]] bool closed() const noexcept;
  [[nodiscard]] bool readable() const noexcept;
  [[nodiscard]] bool writable() const noexcept;

  /// Whether what has a counterpart in Python is sent as the pickle that Python reads: at first, in
  /// connections between programs (Listener, Client, a socket), not in a Pipe. Another program of
  /// this library gets it either way, faster without. What has none is sent in the other way
  /// always; what comes as a pickle is received as one always.
  [[nodiscard]] bool pickles() const noexcept;
  /// The same from now on, for all copies of this end in this process.
  void pickles(detail::ExactlyBool auto on) { set_pickles(on); }

  /// Whether both name the same end in this process.
  friend bool operator==(const Connection& a, const Connection& b) noexcept {
    return a.core_ == b.core_;
  }

 private:
  friend class detail::ConnectionCore;
  friend struct std::hash<Connection>;
  static constexpr detail::Fingerprint kUntyped = 0;  // bytes, and pickles
  explicit Connection(std::shared_ptr<detail::ConnectionCore> core) noexcept
      : core_(std::move(core)) {}
  void set_pickles(bool on);
  void send_message(detail::Fingerprint type, const detail::Encoder& encoder);
  void send_message(detail::Fingerprint type, std::span<const std::byte> bytes);
  detail::Incoming receive();
  void give_back(detail::Incoming&& message);

  std::shared_ptr<detail::ConnectionCore> core_;  // null: closed
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

/// Something to wait for: a Connection, a Listener or a descriptor (a sentinel, a socket). Compares
/// equal to what it was made of.
class Waitable {
 public:
  Waitable(Connection connection) : connection_(std::move(connection)) {}
  Waitable(const Listener& listener);
  Waitable(int fd) noexcept : fd_(fd) {}

  /// THROWS: std::system_error (EBADF) for a closed Connection, ValueError for a negative number.
  [[nodiscard]] int fileno() const;

  /// The Connection that this was made of, or null.
  [[nodiscard]] Connection* connection() noexcept { return connection_ ? &*connection_ : nullptr; }
  [[nodiscard]] const Connection* connection() const noexcept {
    return connection_ ? &*connection_ : nullptr;
  }

  friend bool operator==(const Waitable& a, const Waitable& b) noexcept {
    return a.connection_ == b.connection_ && a.other_ == b.other_ && a.fd_ == b.fd_;
  }

 private:
  std::optional<Connection> connection_;
  std::shared_ptr<void> other_;  // what else there is to wait for
  int (*fileno_of_)(void* other) = nullptr;
  int fd_ = -1;
};

/// Waits until one of them is ready, and says which are, in their order; none when the time is
/// over. Ready: a message or the end of the stream can be received, somebody waits to be accepted,
/// a process has ended, a descriptor can be read or is not open; an end for sending only: nobody
/// receives any more. Thousands are fine; it takes time in proportion to their number.
/// THROWS: std::system_error: EBADF for what is closed, EINVAL for more than this process may have
/// descriptors; KeyError for one that is named twice. Python: `connection.wait`.
[[nodiscard]] std::vector<Waitable> wait(std::initializer_list<Waitable> objects,
                                         Timeout timeout = forever);
[[nodiscard]] std::vector<Connection> wait(std::initializer_list<Connection> objects,
                                           Timeout timeout = forever);
template <std::convertible_to<Waitable> T>
[[nodiscard]] std::vector<T> wait(const std::vector<T>& objects, Timeout timeout = forever);

/// Whether both name the same things, in the same order: `ready == std::vector{a, b}`.
template <std::convertible_to<Waitable> T>
requires(!std::is_same_v<T, Waitable>) [[nodiscard]] bool operator==(
    const std::vector<Waitable>& ready, const std::vector<T>& expected) {
  return std::equal(ready.begin(), ready.end(), expected.begin(), expected.end(),
                    [](const Waitable& a, const T& b) { return a == Waitable(b); });
}

/// The same, by index.
[[nodiscard]] std::vector<std::size_t> wait_for_any(std::span<const Waitable> objects,
                                                    Timeout timeout);

template <std::convertible_to<Waitable> T>
std::vector<T> wait(const std::vector<T>& objects, Timeout timeout) {
  const std::vector<Waitable> all(objects.begin(), objects.end());
  std::vector<T> ready;
  for (const std::size_t i : wait_for_any(all, timeout)) ready.push_back(objects[i]);
  return ready;
}

}  // namespace connection
}  // namespace multiprocessing

/// Equal connections, that is copies, have equal hashes.
template <> struct std::hash<multiprocessing::Connection> {
  std::size_t operator()(const multiprocessing::Connection& c) const noexcept {
    return std::hash<const void*>()(c.core_.get());
  }
};

// Needs Connection: below it.
#include <multiprocessing/listener.hpp>
