// SPDX-License-Identifier: BSL-1.0
// Proxies of pools whose workers are children of a manager's server.
//
// What a call asks for and what has come of it lie in the process that asks, as with mp::Pool; an
// AsyncResult and the range of imap are the very same types. One thread of that process fetches
// results while there are any to come, and calls callbacks.
//
// A task is code of the program, or of a shared library that both have: the server of another
// program refuses it with RuntimeError.
#pragma once
#include <multiprocessing/detail/managers/proxy_call.hpp>
#include <multiprocessing/detail/pool_calls.hpp>
#include <multiprocessing/detail/pool_stats.hpp>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace multiprocessing {

namespace managers {
class RemotePool;
}  // namespace managers

namespace detail {

/// What the copies of a pool's proxy in a process share: its side of the pool.
class RemotePoolHandle {
 public:
  RemotePoolHandle() = default;  ///< of no pool
  explicit RemotePoolHandle(std::shared_ptr<const managers::ProxyCore> pool);

  /// THROWS: ValueError where there is no pool; what calls of proxies throw.
  [[nodiscard]] std::shared_ptr<JobHost> host() const;
  [[nodiscard]] TaskHost& tasks() const;
  [[nodiscard]] std::uint32_t workers() const;
  /// Waits until this process has all results, and callbacks have been called.
  void await_results() const;

 private:
  struct State;
  [[nodiscard]] std::shared_ptr<managers::RemotePool> remote() const;
  std::shared_ptr<State> state_;
};

}  // namespace detail

/// A pool in a manager's server: the calls of mp::Pool, with the same arguments, results and
/// errors. With its last proxy in any process the pool is terminated, within a second; Python's
/// `with` is a proxy that nobody else has. Python: `PoolProxy`.
///
/// Threads: as mp::Pool; calls of many processes go side by side.
/// Fork:    the child's proxies are of the same pool. An AsyncResult and a range of imap throw
///          RuntimeError there.
/// Death:   of the server: every call that waits or comes throws EOFError or a connection's error,
///          and the workers end within a second. Of a process that waits: what no worker has begun
///          for it is dropped. Of a worker: as with mp::Pool, WorkerLost for one item.
class PoolProxy : public BaseProxy, public detail::PoolCalls<PoolProxy> {
 public:
  PoolProxy() = default;

  /// No more tasks, from any process: those are a ValueError. May be called again.
  void close() const { run<void>("close"); }
  /// Stops the workers; what has not ended fails with BrokenProcessPool. At most a few seconds.
  void terminate() const { run<void>("terminate"); }
  /// Waits until the tasks of all processes have ended, and the callbacks of this one. THROWS:
  /// ValueError before close() or terminate().
  void join() const {
    run<void>("join");
    pool_.await_results();
  }
  /// Of each worker what it is doing.
  [[nodiscard]] std::vector<WorkerStats> stats() const {
    return run<std::vector<WorkerStats>>("stats");
  }

 private:
  friend class detail::ProxyAccess;
  friend class detail::PoolCalls<PoolProxy>;

  struct Attention {
    explicit Attention(const detail::RemotePoolHandle&) {}
  };
  template <class F, class Item, detail::Style style>
  using Writer = detail::CheckedChunkWriter<F, Item, style>;

  explicit PoolProxy(std::shared_ptr<const managers::ProxyCore> core)
      : BaseProxy(core), pool_(std::move(core)) {}
  [[nodiscard]] const detail::RemotePoolHandle& handle() const noexcept { return pool_; }

  detail::RemotePoolHandle pool_;
};

namespace detail {
template <> struct Traveller<PoolProxy> : ProxyTraveller<PoolProxy, "Pool"> {};
}  // namespace detail
}  // namespace multiprocessing
