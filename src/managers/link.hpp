// SPDX-License-Identifier: BSL-1.0
// A process's connections to a server. A call takes one for itself, and gives it back; so there
// are as many as there were calls at a time, and at least one while the process has a proxy. To a
// CPython server each thread has its own until it ends: there an RLock belongs to a connection.
//
// Fork: the child has none, and opens its own.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <multiprocessing/address.hpp>
#include <multiprocessing/listener.hpp>
#include <string>
#include <vector>

#include "managers/frames.hpp"
#include "managers/own_socket.hpp"
#include "os/fork_mutex.hpp"

namespace multiprocessing::managers {

struct Channel {
  OwnSocket socket;
  FrameReader reader;
  bool python = false;       // the server is CPython's
  bool in_tree = false;      // both share an arena
  bool used = false;         // it has been idle before
  std::uint32_t thread = 0;  // of a CPython server: whose it is
  std::uint32_t generation = 0;
  pid_t pid = 0;
  std::uint64_t max_message_bytes = kAnyLength;
  std::string server;  // the name of its process
};

class ServerLink : public std::enable_shared_from_this<ServerLink> {
 public:
  /// The one link of this process to that server. No key: the one that was used before, or this
  /// process's. Nothing is connected yet.
  [[nodiscard]] static std::shared_ptr<ServerLink> to(const Address& address, const AuthKey& key);

  ServerLink(Address address, AuthKey key) : address_(std::move(address)), key_(std::move(key)) {}
  ServerLink(const ServerLink&) = delete;
  ServerLink& operator=(const ServerLink&) = delete;
  ~ServerLink();

  [[nodiscard]] const Address& address() const noexcept { return address_; }
  [[nodiscard]] const AuthKey& key() const noexcept { return key_; }

  /// An idle channel, or a new one. THROWS: what ProxyCall does.
  [[nodiscard]] std::unique_ptr<Channel> take();
  /// A new one. THROWS: the same.
  [[nodiscard]] std::unique_ptr<Channel> connect();
  /// A new one in the place of one that turned out to be hung up on: a server that was started anew
  /// on its address did that. THROWS: EOFError where nobody listens any more, too.
  [[nodiscard]] std::unique_ptr<Channel> connect_another();
  void give_back(std::unique_ptr<Channel> channel) noexcept;
  /// Closes those that a thread has to a CPython server.
  void thread_ends(std::uint32_t thread) noexcept;

  /// A request without arguments; its reply is an error or not looked at. THROWS: what it throws.
  void ask(Op op, Ident ident);
  /// The same without a reply, where there is a connection.
  void tell(Op op, Ident ident) noexcept;

  /// Asks a CPython server for one of its own functions, over a connection for that.
  Object ask_python(const std::string& function, const Object& args,
                    const Object& keywords = Object::dict());

 private:
  [[nodiscard]] OwnSocket open_socket() const;
  void greet(Channel& channel);
  void forget_parents() noexcept;
  [[nodiscard]] std::unique_ptr<Channel> take_idle() noexcept;

  const Address address_;
  const AuthKey key_;
  os::ForkMutex mutex_;
  std::vector<std::unique_ptr<Channel>> idle_;  // guarded by mutex_
  std::uint32_t generation_ = 0;                // guarded: the process that opened them
  std::atomic<bool> reached_{false};            // a server there has answered once
};

/// This process's number among a server's clients, and that of the process it was forked from.
struct ClientId {
  std::uint64_t own;
  std::uint64_t parents;
};
[[nodiscard]] ClientId client_id();

}  // namespace multiprocessing::managers
