// SPDX-License-Identifier: BSL-1.0
// Listener and Client: connections between programs, Python's among them. Both speak the framing
// and the handshake of CPython's `multiprocessing.connection`.
//
// Threads: several may accept at one Listener; each goes through the handshake of its own peer.
// Fork:    the child has the listening socket too, and may accept; who comes is given to one of
//          them. What closes and removes it is the last handle in the process that made it.
// Death:   of a peer ends its connection; the kernel closes what a killed process listened at. The
//          file of its Unix socket stays, and the next Listener there replaces it.
#pragma once
#include <multiprocessing/address.hpp>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/timeout.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace multiprocessing {

namespace detail {
class ListenerCore;
}  // namespace detail

/// The key that both sides know, or none (Python's None): then there is no handshake. An empty key
/// is a key. That of a process tree is `mp::current_process().authkey()`.
class AuthKey {
 public:
  AuthKey() noexcept = default;
  template <std::same_as<std::nullptr_t> Null> AuthKey(Null) noexcept {}
  template <std::convertible_to<std::string_view> Text>
  requires(!std::same_as<Text, std::nullptr_t>) AuthKey(const Text& text)
      : AuthKey(std::as_bytes(std::span<const char>(std::string_view{text}))) {}
  AuthKey(std::span<const std::byte> bytes) : bytes_(std::in_place, bytes.begin(), bytes.end()) {}
  AuthKey(std::vector<std::byte> bytes) noexcept : bytes_(std::move(bytes)) {}

  explicit operator bool() const noexcept { return bytes_.has_value(); }
  /// Empty where there is none.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return bytes_ ? std::span<const std::byte>(*bytes_) : std::span<const std::byte>();
  }

 private:
  std::optional<std::vector<std::byte>> bytes_;
};

/// No limit to the length of a message.
inline constexpr std::uint64_t kAnyLength = std::numeric_limits<std::uint64_t>::max();

/// The keyword arguments of `Listener`.
struct ListenerOptions {
  int backlog = 4096;    ///< how many may wait to be accepted; the system may allow less
  AuthKey authkey = {};  ///< unless it is given as an argument
  Timeout handshake_timeout = std::chrono::seconds(20);  ///< for one peer's part of it
  bool allow_md5 = true;                                 ///< CPython before 3.12 knows no other
  std::uint64_t max_message_bytes = kAnyLength;          ///< longer ones are refused unread
  bool pickle = true;  ///< what Python can read is sent as it reads it
};

/// The keyword arguments of `Client`.
struct ClientOptions {
  Timeout timeout = forever;                     ///< for the connection and the handshake together
  AuthKey authkey = {};                          ///< unless it is given as an argument
  bool allow_md5 = true;                         ///< CPython before 3.12 knows no other
  std::uint64_t max_message_bytes = kAnyLength;  ///< longer ones are refused unread
  bool pickle = true;                            ///< what Python can read is sent as it reads it
};

/// Waits at an address for those who connect. A handle: every copy in this process names the same
/// one. With the last of them in the process that made it, it closes and removes the file of its
/// Unix socket; copies in other processes do neither. Python:
/// `multiprocessing.connection.Listener`.
class Listener {
 public:
  /// Binds and listens. With no address it makes up an abstract Unix socket, at which only
  /// processes of the same user (and root) are accepted. With a key, who connects has to know it.
  /// THROWS: std::system_error: EADDRINUSE if somebody listens there (the file of a Unix socket at
  /// which nobody does is replaced); ENAMETOOLONG for a path of more than 107 bytes.
  explicit Listener(const Address& address = {}, const AuthKey& authkey = {});
  template <class Options = ListenerOptions>
  requires std::same_as<Options, ListenerOptions>
  explicit Listener(Options options, const Address& address = {}, const AuthKey& authkey = {})
      : Listener(std::in_place, std::move(options), address, authkey) {}

  /// Waits for the next connection, and goes through the handshake if there is a key: for
  /// `handshake_timeout` at most, beyond `timeout` if need be, so that a silent peer does not keep
  /// others waiting for ever. A peer that fails is hung up on, and the Listener goes on.
  /// THROWS: TimeoutError when nobody has come; AuthenticationError for a wrong key, and for a peer
  /// that says something else or nothing; EOFError for one that hangs up during the handshake;
  /// std::system_error: EBADF if the Listener is closed, also by another thread meanwhile; EMFILE.
  [[nodiscard]] Connection accept(Timeout timeout = forever);

  /// Where it listens: with the port that it got for port 0, and the path that was made up.
  [[nodiscard]] const Address& address() const;
  /// Who connected last, in any thread of this process; nothing before. Most Unix sockets have no
  /// address when they connect: then it is Address().
  [[nodiscard]] std::optional<Address> last_accepted() const;

  /// The listening socket, to poll for: readable when somebody waits to be accepted.
  [[nodiscard]] int fileno() const;
  /// Closes all copies of it in this process, and in no other; removes the file of its Unix socket
  /// in the process that made it. Closing twice is fine.
  void close();
  [[nodiscard]] bool closed() const noexcept;

  /// Whether both name the same Listener in this process.
  friend bool operator==(const Listener& a, const Listener& b) noexcept {
    return a.core_ == b.core_;
  }

 private:
  friend class detail::ListenerCore;
  Listener(std::in_place_t, ListenerOptions options, const Address& address,
           const AuthKey& authkey);
  explicit Listener(std::shared_ptr<detail::ListenerCore> core) noexcept : core_(std::move(core)) {}

  std::shared_ptr<detail::ListenerCore> core_;  // null: moved from
};

namespace detail {
[[nodiscard]] Connection connect(ClientOptions options, const Address& address,
                                 const AuthKey& authkey);

template <> struct Traveller<Listener> {
  static void encode(Encoder& encoder, const Listener& listener);
  static Listener decode(Decoder& decoder);
};
}  // namespace detail

/// Connects to a Listener, and goes through the handshake if there is a key.
/// THROWS: std::system_error (ECONNREFUSED, ENOENT for a path where nothing is…); TimeoutError;
/// AuthenticationError if one side does not know the key; EOFError if the other hangs up during the
/// handshake; ValueError if no address is given. Python: `multiprocessing.connection.Client`.
[[nodiscard]] inline Connection Client(const Address& address, const AuthKey& authkey = {}) {
  return detail::connect({}, address, authkey);
}
template <class Options = ClientOptions>
requires std::same_as<Options, ClientOptions>
[[nodiscard]] Connection Client(Options options, const Address& address,
                                const AuthKey& authkey = {}) {
  return detail::connect(std::move(options), address, authkey);
}

/// Half of the handshake: asks the other side, which runs answer_challenge, to prove that it knows
/// the key. `digest` is one of md5, sha256, sha384, sha3_256, sha3_384; with `allow_md5` an answer
/// with MD5 is good for any of them, as peers before CPython 3.12 give it. Waits without a limit.
/// THROWS: AuthenticationError if it does not; ValueError for no key or an unknown digest; what
/// recv_bytes throws.
void deliver_challenge(Connection& connection, const AuthKey& authkey,
                       std::string_view digest = "sha256", bool allow_md5 = true);

/// The other half: proves to who runs deliver_challenge that this side knows the key.
/// THROWS: AuthenticationError if that is not believed, or if what came is no challenge; ValueError
/// for no key; what recv_bytes throws.
void answer_challenge(Connection& connection, const AuthKey& authkey, bool allow_md5 = true);

namespace connection {
using multiprocessing::answer_challenge;
using multiprocessing::Client;
using multiprocessing::deliver_challenge;
using multiprocessing::Listener;
}  // namespace connection
}  // namespace multiprocessing

/// Equal listeners, that is copies, have equal hashes.
template <> struct std::hash<multiprocessing::Listener> {
  std::size_t operator()(const multiprocessing::Listener& listener) const noexcept;
};
