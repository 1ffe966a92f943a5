// SPDX-License-Identifier: BSL-1.0
// A pool in a server, and what it keeps for each process that uses it.
//
// PoolReferent owns the pool: when nobody refers to it any more, the pool is terminated. Who uses
// it has a customer there, in the server too: it takes chunks from the process and keeps what comes
// of them until it is fetched. A customer does not keep the pool.
//
// Death: of the process: its customer goes, and what no worker has begun for it is dropped. Of the
//        server: the workers are daemons, and end with it.
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <multiprocessing/detail/managers/referent.hpp>
#include <multiprocessing/detail/pool_handle.hpp>
#include <mutex>
#include <span>
#include <string_view>
#include <unordered_map>

#include "managers/pool_messages.hpp"

namespace multiprocessing::managers {

class PoolReferent final : public detail::Referent {
 public:
  /// THROWS: what the constructor of Pool throws; RuntimeError for an initializer that this program
  /// does not have.
  explicit PoolReferent(detail::ServerCall& call);
  ~PoolReferent() override;
  [[nodiscard]] std::string_view type_id() const override { return "Pool"; }
  [[nodiscard]] std::span<const detail::Method> methods() const override;

 private:
  void customer(detail::ServerCall& call);
  void close(detail::ServerCall& call);
  void terminate(detail::ServerCall& call);
  void join(detail::ServerCall& call);
  void stats(detail::ServerCall& call);

  std::shared_ptr<detail::PoolHandle> pool_;
};

class PoolCustomer final : public detail::Referent {
 public:
  explicit PoolCustomer(const std::shared_ptr<detail::PoolHandle>& pool) : pool_(pool) {}
  ~PoolCustomer() override;
  [[nodiscard]] std::string_view type_id() const override { return "PoolCustomer"; }
  [[nodiscard]] std::span<const detail::Method> methods() const override;

  /// By who collects the pool's results.
  void deliver(PoolResults results);

 private:
  void workers(detail::ServerCall& call);
  void begin(detail::ServerCall& call);
  void submit(detail::ServerCall& call);
  void results(detail::ServerCall& call);
  void abandon(detail::ServerCall& call);
  /// THROWS: ValueError if the pool is gone.
  [[nodiscard]] std::shared_ptr<detail::PoolHandle> pool() const;

  struct Chunk {
    std::shared_ptr<detail::Job> job;
    std::uint64_t left;  // items of which the process has nothing yet
  };

  const std::weak_ptr<detail::PoolHandle> pool_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::unordered_map<std::uint64_t, Chunk> chunks_;  // guarded by mutex_
  std::deque<PoolResults> results_;                  // guarded by mutex_
};

}  // namespace multiprocessing::managers
