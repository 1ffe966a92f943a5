// SPDX-License-Identifier: BSL-1.0
// Locks and their like in a server. A holder is a client process; of an RLock, a thread of one.
//
// Death: the server tells of a client's end by client_died(). A lock then stays shut, and whoever
//        comes, or waits on a condition of it, gets OwnerDiedError, until make_consistent().
#pragma once
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <multiprocessing/detail/managers/referent.hpp>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "managers/client.hpp"
#include "os/clock.hpp"
#include "sync/lost_holds.hpp"

namespace multiprocessing::managers {

using detail::Caller;
using detail::Method;
using detail::Referent;
using detail::ServerCall;

/// The moment that Python's `block, timeout` arguments, which come next, stand for.
[[nodiscard]] os::Deadline deadline_of_acquire(ServerCall& call);
/// The same of `timeout` alone.
[[nodiscard]] os::Deadline deadline_of_wait(ServerCall& call);

class ConditionReferent;

class LockReferent final : public Referent {
 public:
  explicit LockReferent(bool recursive) : recursive_(recursive) {}

  [[nodiscard]] std::string_view type_id() const override { return recursive_ ? "RLock" : "Lock"; }
  [[nodiscard]] std::span<const Method> methods() const override;
  [[nodiscard]] std::string print() const override;
  void client_died(Client& client) noexcept override;

  // For a Condition, which shares the mutex and is told of a holder's death.
  void add(ConditionReferent& condition);
  void remove(const ConditionReferent& condition);
  [[nodiscard]] std::mutex& mutex() const noexcept { return mutex_; }
  /// THROWS: RuntimeError if the caller does not hold it.  REQUIRES: the mutex is held.
  void require_held(const Caller& caller) const;
  /// Gives up every level and says how many they were.  REQUIRES: the mutex is held.
  std::size_t release_all();
  /// Takes it with so many levels; waits without a limit. THROWS: OwnerDiedError; then the next so
  /// many releases of the caller are those of the lost levels.
  void acquire_all(std::unique_lock<std::mutex>& lock, ServerCall& call, std::size_t levels);

  void acquire(ServerCall& call);
  void release(ServerCall& call);
  void locked(ServerCall& call);
  void make_consistent(ServerCall& call);

 private:
  [[nodiscard]] bool take(std::unique_lock<std::mutex>& lock, ServerCall& call,
                          const os::Deadline& deadline, std::size_t levels);
  void free();
  [[nodiscard]] bool is_holder(const Caller& caller) const noexcept;
  void refuse_after_death() const;

  using Holder = std::pair<std::uint64_t, std::uint32_t>;  // a client's id, and the thread
  [[nodiscard]] static Holder holder_of(const ServerCall& call);

  const bool recursive_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  Caller holder_;                                      // guarded by mutex_; no client: nobody
  std::size_t levels_ = 0;                             // guarded
  std::optional<std::pair<pid_t, std::string>> died_;  // guarded; who died with it
  sync::LostHolds<Holder> lost_;                       // guarded
  std::vector<ConditionReferent*> conditions_;         // guarded
};

class ConditionReferent final : public Referent {
 public:
  explicit ConditionReferent(std::shared_ptr<LockReferent> lock) : lock_(std::move(lock)) {
    lock_->add(*this);
  }
  ConditionReferent(const ConditionReferent&) = delete;
  ConditionReferent& operator=(const ConditionReferent&) = delete;
  ~ConditionReferent() override { lock_->remove(*this); }
  [[nodiscard]] std::string_view type_id() const override { return "Condition"; }
  [[nodiscard]] std::span<const Method> methods() const override;
  /// Whatever the dead holder was about to do, or had been woken for, may be left undone.
  /// REQUIRES: the lock's mutex is held.
  void holder_died() noexcept { wake(waiters_.size()); }

 private:
  struct Waiter {
    std::condition_variable woken;
    bool notified = false;
  };
  void acquire(ServerCall& call) { lock_->acquire(call); }
  void release(ServerCall& call) { lock_->release(call); }
  void locked(ServerCall& call) { lock_->locked(call); }
  void make_consistent(ServerCall& call) { lock_->make_consistent(call); }
  void wait(ServerCall& call);
  void notify(ServerCall& call);
  void notify_all(ServerCall& call);
  void wake(std::size_t n) noexcept;

  const std::shared_ptr<LockReferent> lock_;
  std::deque<Waiter*> waiters_;  // guarded by the lock's mutex; those not yet notified
};

class SemaphoreReferent final : public Referent {
 public:
  SemaphoreReferent(std::int64_t value, bool bounded);
  [[nodiscard]] std::string_view type_id() const override {
    return bounded_ ? "BoundedSemaphore" : "Semaphore";
  }
  [[nodiscard]] std::span<const Method> methods() const override;
  void client_died(Client& client) noexcept override;

 private:
  void acquire(ServerCall& call);
  void acquire_many(ServerCall& call);
  bool take(ServerCall& call, std::int64_t permits, const os::Deadline& deadline);
  void release(ServerCall& call);
  void get_value(ServerCall& call);
  void locked(ServerCall& call);

  const bool bounded_;
  const std::int64_t bound_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t value_;  // guarded
  // Who took how many, the longest first; of a bounded one. Guarded.
  std::vector<std::pair<Client*, std::int64_t>> taken_;
};

class EventReferent final : public Referent {
 public:
  [[nodiscard]] std::string_view type_id() const override { return "Event"; }
  [[nodiscard]] std::span<const Method> methods() const override;

 private:
  void is_set(ServerCall& call);
  void set(ServerCall& call);
  void clear(ServerCall& call);
  void wait(ServerCall& call);

  std::mutex mutex_;
  std::condition_variable changed_;
  bool set_ = false;        // guarded
  std::uint64_t sets_ = 0;  // guarded; a waiter sees each, also one that was taken back
};

class BarrierReferent final : public Referent {
 public:
  BarrierReferent(std::int64_t parties, std::optional<double> timeout);
  [[nodiscard]] std::string_view type_id() const override { return "Barrier"; }
  [[nodiscard]] std::span<const Method> methods() const override;

 private:
  void wait(ServerCall& call);
  void abort(ServerCall& call);
  void reset(ServerCall& call);
  void attribute(ServerCall& call);
  enum class Round { kWaiting, kWentThrough, kBroken };
  void end_round(Round how);

  const std::int64_t parties_;
  const std::optional<double> timeout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::int64_t waiting_ = 0;  // guarded, as all below
  bool broken_ = false;
  std::shared_ptr<Round> round_ = std::make_shared<Round>(Round::kWaiting);
};

}  // namespace multiprocessing::managers
