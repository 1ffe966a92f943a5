// SPDX-License-Identifier: BSL-1.0
// A queue in a server. Its messages stay as they came.
//
// Death: a message whose taker had gone before it was given it is put back in front. What a client
//        took and did not mark as done is lost with it, and join() tells.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <multiprocessing/detail/managers/referent.hpp>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "managers/client.hpp"

namespace multiprocessing::managers {

using detail::Method;
using detail::Referent;
using detail::ServerCall;

class QueueReferent final : public Referent {
 public:
  QueueReferent(std::int64_t maxsize, bool joinable) : maxsize_(maxsize), joinable_(joinable) {}
  [[nodiscard]] std::string_view type_id() const override {
    return joinable_ ? "JoinableQueue" : "Queue";
  }
  [[nodiscard]] std::span<const Method> methods() const override;
  void client_died(Client& client) noexcept override;

 private:
  void put(ServerCall& call);
  void put_nowait(ServerCall& call);
  void put_before(ServerCall& call, detail::RawValue object, const os::Deadline& deadline);
  void get(ServerCall& call);
  void get_nowait(ServerCall& call);
  void note_taken(ServerCall& call);
  void get_before(ServerCall& call, const os::Deadline& deadline);
  void qsize(ServerCall& call);
  void empty(ServerCall& call);
  void full(ServerCall& call);
  void task_done(ServerCall& call);
  void join(ServerCall& call);
  [[nodiscard]] bool is_full() const;
  void put_back(detail::RawValue object, Client& taker);
  using InHand = std::unordered_map<Client*, std::size_t>;
  void give_back(InHand::iterator taker) noexcept;

  struct Lost {
    pid_t pid;
    std::string name;
    std::size_t items;
  };

  const std::int64_t maxsize_;
  const bool joinable_;
  std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable not_full_;
  std::condition_variable all_done_;
  std::deque<detail::RawValue> items_;  // guarded by mutex_, as all below
  std::size_t unfinished_ = 0;          // put and not marked as done
  InHand in_hand_;                      // taken by a client and not marked
  std::deque<Lost> lost_;               // that no join() has told of yet
};

}  // namespace multiprocessing::managers
