// SPDX-License-Identifier: BSL-1.0
// How many items of the program's JoinableQueues the clients of a server have taken and not marked
// as done. For the queues it is the server that took them all.
//
// A queue has one account here, whatever the number of objects and proxies that clients reach it
// by: these may be gone before the client that took something by them.
// Death: a client's items are lost with it, and its queues are told.
#pragma once
#include <cstdint>
#include <multiprocessing/detail/handle.hpp>
#include <mutex>
#include <optional>
#include <unordered_map>

namespace multiprocessing::managers {

struct Client;

/// Of one server. Threads: all.
class TakenItems {
 public:
  /// THROWS: std::bad_alloc; then nothing is noted.
  void took(const detail::Handle& queue, const Client& client);
  /// The client has marked an item, or was not given one. What it has not taken itself, another
  /// has, who passed it on.
  void gave_back(const detail::Handle& queue, const Client& client) noexcept;
  /// Tells the queues what a client had that has ended.
  void client_died(const Client& client) noexcept;

 private:
  using Takers = std::unordered_map<const Client*, std::uint32_t>;
  struct Account {
    detail::Handle queue;
    Takers takers;  // each has some
  };
  using Accounts = std::unordered_map<const void*, Account>;
  struct Lost {
    detail::Handle queue;
    std::uint32_t items;
  };
  [[nodiscard]] std::optional<Lost> take_lost(const Client& client) noexcept;
  void remove(Accounts::iterator account, Takers::iterator taker) noexcept;

  std::mutex mutex_;
  Accounts accounts_;  // guarded by mutex_; each has a taker
};

}  // namespace multiprocessing::managers
