// SPDX-License-Identifier: BSL-1.0
// A process's side of a pool in a server: the chunks that it handed in, and a thread that fetches
// what comes of them. The server's side is a PoolCustomer (pool_referent.hpp).
//
// The thread runs while there are chunks, or proxies that may hand in some. At the end of the
// process what is still to come is given up, and it ends: the program's globals go next.
//
// Fork:  a child has none of it, and makes its own.
// Death: of the server: all chunks fail with what the thread got, EOFError.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <future>
#include <map>
#include <memory>
#include <multiprocessing/detail/pool_task.hpp>
#include <mutex>

#include "managers/pool_messages.hpp"
#include "managers/proxy_core.hpp"
#include "os/fork_mutex.hpp"
#include "pool/desk.hpp"

namespace multiprocessing::managers {

/// How long the end of a process, or of a pool's last proxy, waits for a callback to return.
inline constexpr std::chrono::seconds kLongestCallback{5};

class RemotePool final : public detail::TaskHost, public std::enable_shared_from_this<RemotePool> {
 public:
  /// THROWS: what a call of a proxy throws.
  explicit RemotePool(const ProxyCore& pool);

  [[nodiscard]] std::uint32_t workers() const noexcept { return workers_; }
  /// No proxy of this process is left. Gives what tells that the thread has ended; an empty one
  /// where it goes on, for results to come, or is this one.
  [[nodiscard]] std::shared_future<void> leave() noexcept;
  void await_results() noexcept;

  std::uint64_t begin_call() override;
  void submit(const detail::NewChunk& chunk, const detail::Encoder& arguments,
              pool::ParcelOwner parcel) override;

  void require_own() const override;
  bool collect(Satisfied satisfied, void* context, Timeout timeout) override;
  void count_waiter(int /*more*/) noexcept override {}
  void call_back(std::shared_ptr<detail::Job> job) override;
  void notify() noexcept override {}
  bool take_back(detail::Job& /*job*/) override { return false; }
  bool begun(detail::Job& /*job*/) override { return false; }
  void abandon(detail::Job& job) noexcept override;

 private:
  struct Chunk {
    std::shared_ptr<detail::Job> job;
    std::size_t next;   // of its items, the first without a result
    std::size_t left;   // so many from there on
    bool sent = false;  // the server has it
  };
  using Chunks = std::map<std::uint64_t, Chunk>;  // by their numbers; moved without memory

  template <class R, class... Args> R ask(detail::MethodName method, const Args&... args) const;
  void start_thread();
  void serve();
  void give_up() noexcept;
  void take_results(Timeout timeout);
  void accept(const PoolResults& results);
  void fail_all(const std::exception_ptr& error);
  void note_sent(std::uint64_t chunk);
  void forget(std::uint64_t chunk);
  void tell_of_abandoned(const Chunks& chunks) const noexcept;

  const std::uint32_t maker_ = os::fork_generation();
  const std::shared_ptr<const ProxyCore> customer_;
  const std::uint32_t workers_;
  std::deque<PoolResults> arrived_;  // of the thread

  std::mutex mutex_;
  std::condition_variable changed_;
  Chunks chunks_;         // guarded by mutex_, as all below
  std::size_t sent_ = 0;  // of the chunks
  std::uint64_t last_chunk_ = 0;
  bool has_thread_ = false;
  std::shared_future<void> thread_ended_;
  bool left_ = false;
};

}  // namespace multiprocessing::managers
