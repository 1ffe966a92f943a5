// SPDX-License-Identifier: BSL-1.0
// Locks and their like in a server: the library's own ones, which the server holds for its clients.
// Of the ones that a callable returns the program has handles, too: for its processes it is the
// server that holds what a client does.
//
// A holder is a client process; of an RLock, a thread of one.
//
// Death: the server tells of a client's end by client_died(). A lock then stays shut, and whoever
//        comes, or waits on a condition of it, gets OwnerDiedError, until make_consistent(). Where
//        a process of the program releases a Lock that a client holds, and the server's process
//        itself takes it next, or takes it for another client at that moment, the death of the
//        first client is told as if it had still held it.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <multiprocessing/detail/managers/referent.hpp>
#include <multiprocessing/synchronize.hpp>
#include <mutex>
#include <utility>
#include <vector>

#include "managers/client.hpp"
#include "managers/lost_levels.hpp"
#include "sync/bounded_semaphore_state.hpp"
#include "sync/condition_state.hpp"
#include "sync/lock_state.hpp"

namespace multiprocessing::managers {

using detail::Caller;
using detail::Method;
using detail::Referent;
using detail::ServerCall;

/// Whose object it is. What a client holds of the program's is kept until it is given back, also
/// if no proxy is left.
enum class Of { kServer, kProgram };

class LockReferent final : public Referent {
 public:
  LockReferent(AnyLock lock, Of of) : lock_(std::move(lock)), of_(of) {}
  LockReferent(const LockReferent&) = delete;
  LockReferent& operator=(const LockReferent&) = delete;
  ~LockReferent() override { forget_holder(); }

  [[nodiscard]] std::string_view type_id() const override;
  [[nodiscard]] std::span<const Method> methods() const override;
  [[nodiscard]] std::string print() const override;
  void client_died(Client& client) noexcept override;

  void acquire(ServerCall& call);
  void release(ServerCall& call);
  void locked(ServerCall& call);
  void make_consistent(ServerCall& call);

  // For a Condition.
  [[nodiscard]] const AnyLock& lock() const noexcept { return lock_; }
  /// Calls `act` in a thread that the lock takes for its holder. THROWS: RuntimeError if the caller
  /// does not hold it, and what `act` throws.
  template <class F> void as_holder(const Caller& caller, F act) {
    const std::lock_guard guard(mutex_);
    require_held(caller);
    const Lent lent(*this);
    act();
  }
  /// The calling thread holds it instead of the caller. THROWS: RuntimeError; std::bad_alloc.
  void lend(const Caller& caller);
  /// The other way round. `acquired`: it did not hold it before. THROWS: std::bad_alloc; then
  /// nobody holds it.
  void note_held(const Caller& caller, bool acquired);
  /// It was lost when the calling thread waited for it: so many releases of the caller, as many as
  /// it held levels, are of no effect.
  void note_lost(const Caller& caller) noexcept;
  /// Calls `act` if the caller holds it; says whether.
  bool try_as_holder(const Caller& caller, const std::function<void()>& act);

 private:
  // An RLock belongs to a number that no thread has while a client holds it, and to a session's
  // thread while that one works on it.
  class Lent {
   public:
    explicit Lent(LockReferent& lock) : lock_(lock) { lock_.belong_to(sync::thread_number()); }
    ~Lent() { lock_.belong_to(lock_.number_); }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;

   private:
    LockReferent& lock_;
  };
  [[nodiscard]] sync::LockState& state() const;
  [[nodiscard]] bool is_holder(const Caller& caller) const;
  void require_held(const Caller& caller) const;
  bool take_again(const Caller& caller);
  void release_rlock(const Caller& caller);
  void belong_to(std::uint32_t number);
  void forget_holder() noexcept;

  [[nodiscard]] static LostLevels::Holder name_of(const Caller& caller) {
    return {caller.client->id, caller.thread};
  }

  AnyLock lock_;
  const Of of_;
  const std::uint32_t number_ = sync::new_thread_number();
  mutable std::mutex mutex_;  // guards what follows; nobody waits for the lock with it
  Caller holder_;             // no client: nobody, or somebody of the program
  LostLevels lost_;
};

class ConditionReferent final : public Referent {
 public:
  /// `lock`: the condition's.
  ConditionReferent(Condition condition, std::shared_ptr<LockReferent> lock)
      : condition_(std::move(condition)), lock_(std::move(lock)) {}
  /// A new one.
  explicit ConditionReferent(std::shared_ptr<LockReferent> lock)
      : condition_(lock->lock()), lock_(std::move(lock)) {}
  [[nodiscard]] std::string_view type_id() const override { return "Condition"; }
  [[nodiscard]] std::span<const Method> methods() const override;

  /// The lock of a condition.
  [[nodiscard]] static AnyLock lock_of(const Condition& condition);

 private:
  void acquire(ServerCall& call) { lock_->acquire(call); }
  void release(ServerCall& call) { lock_->release(call); }
  void locked(ServerCall& call) { lock_->locked(call); }
  void make_consistent(ServerCall& call) { lock_->make_consistent(call); }
  void wait(ServerCall& call);
  [[nodiscard]] bool wait_for_call(ServerCall& call, Timeout timeout);
  void notify(ServerCall& call);
  void notify_all(ServerCall& call);

  Condition condition_;
  const std::shared_ptr<LockReferent> lock_;
};

class SemaphoreReferent final : public Referent {
 public:
  SemaphoreReferent(Semaphore semaphore, Of of);
  SemaphoreReferent(const SemaphoreReferent&) = delete;
  SemaphoreReferent& operator=(const SemaphoreReferent&) = delete;
  ~SemaphoreReferent() override;
  [[nodiscard]] std::string_view type_id() const override {
    return bounded_ ? "BoundedSemaphore" : "Semaphore";
  }
  [[nodiscard]] std::span<const Method> methods() const override;
  void client_died(Client& client) noexcept override;

 private:
  void acquire(ServerCall& call);
  void acquire_many(ServerCall& call);
  void note_taken(ServerCall& call, int permits);
  void release(ServerCall& call);
  void pay(const std::shared_ptr<Client>& client, int permits);
  void pay_what_others_gave(sync::BoundedSemaphoreState& semaphore);
  void get_value(ServerCall& call);
  void locked(ServerCall& call);

  Semaphore semaphore_;
  const Of of_;
  const bool bounded_;
  std::mutex mutex_;
  // Who took how many, the longest first; of a bounded one. Guarded by mutex_.
  std::vector<std::pair<std::shared_ptr<Client>, int>> taken_;
};

class EventReferent final : public Referent {
 public:
  explicit EventReferent(Event event) : event_(std::move(event)) {}
  [[nodiscard]] std::string_view type_id() const override { return "Event"; }
  [[nodiscard]] std::span<const Method> methods() const override;

 private:
  void is_set(ServerCall& call);
  void set(ServerCall& call);
  void clear(ServerCall& call);
  void wait(ServerCall& call);

  Event event_;
};

class BarrierReferent final : public Referent {
 public:
  explicit BarrierReferent(Barrier barrier) : barrier_(std::move(barrier)) {}
  [[nodiscard]] std::string_view type_id() const override { return "Barrier"; }
  [[nodiscard]] std::span<const Method> methods() const override;

 private:
  void wait(ServerCall& call);
  void abort(ServerCall& call);
  void reset(ServerCall& call);
  void attribute(ServerCall& call);

  Barrier barrier_;
};

}  // namespace multiprocessing::managers
