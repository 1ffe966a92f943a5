// SPDX-License-Identifier: BSL-1.0
// A server: it accepts connections, each of which gets a thread of its own (session.hpp), and keeps
// the objects.
//
// serve()'s thread accepts, and a few times a second looks what processes have let go of. It ends
// at shutdown, and when the process that started it has ended.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <multiprocessing/detail/managers/registration.hpp>
#include <multiprocessing/listener.hpp>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>

#include "managers/crowd.hpp"
#include "managers/objects.hpp"
#include "managers/own_socket.hpp"
#include "managers/taken_items.hpp"
#include "os/fork_mutex.hpp"
#include "os/socket_file.hpp"

namespace multiprocessing::managers {

class Session;

struct ServerSettings {
  Address address;
  AuthKey authkey;
  std::uint64_t max_message_bytes = kAnyLength;
};

class ServerCore : public std::enable_shared_from_this<ServerCore> {
 public:
  /// Listens. THROWS: std::system_error.
  [[nodiscard]] static std::shared_ptr<ServerCore> make(detail::Registry registry,
                                                        ServerSettings settings);
  ~ServerCore();
  ServerCore(const ServerCore&) = delete;
  ServerCore& operator=(const ServerCore&) = delete;

  /// Until stop(), or until one of these descriptors is readable.
  void serve(std::span<const int> others);
  void stop() noexcept;
  /// Closes all connections, and waits for their threads.
  void end_sessions();

  [[nodiscard]] const Address& address() const noexcept { return address_; }
  [[nodiscard]] const ServerSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] const detail::Registry& registry() const noexcept { return registry_; }
  [[nodiscard]] Objects& objects() noexcept { return objects_; }
  [[nodiscard]] Crowd& crowd() noexcept { return crowd_; }
  [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_relaxed); }

  /// The record of a client, with this session more. `inherits`: see Hello.
  [[nodiscard]] std::shared_ptr<Client> enter(const Session& session, const Hello& hello,
                                              std::string name, bool in_tree);
  /// A session of it has ended; the last one ends the client.
  void leave(const std::shared_ptr<Client>& client) noexcept;
  void session_ended(const Session& session) noexcept;

  /// The server in this process whose number begins the ident; null: none.
  [[nodiscard]] static std::shared_ptr<ServerCore> here(Ident ident);

 private:
  ServerCore(detail::Registry registry, ServerSettings settings, std::uint64_t nonce);
  void listen();
  void accept_one();
  void give_back_for_the_dead();
  void remove_file() noexcept;

  const detail::Registry registry_;
  const ServerSettings settings_;
  const std::uint64_t nonce_;
  const std::uint32_t maker_ = os::fork_generation();
  Address address_;
  bool made_up_ = false;
  OwnSocket listening_;
  os::SocketFile file_;
  OwnSocket wake_;  // an eventfd that stop() writes
  std::atomic<bool> stopping_{false};
  Objects objects_;
  Crowd crowd_;
  TakenItems taken_items_;

  std::mutex mutex_;
  std::condition_variable session_ended_;
  std::map<const Session*, std::shared_ptr<Client>> sessions_;        // guarded by mutex_
  std::unordered_map<std::uint64_t, std::weak_ptr<Client>> clients_;  // guarded by mutex_
  // For clients of Python, which name none. Guarded by mutex_.
  std::uint64_t last_even_id_ = 0;
};

}  // namespace multiprocessing::managers
