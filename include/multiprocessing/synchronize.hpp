// SPDX-License-Identifier: BSL-1.0
// Lock, RLock, Semaphore, BoundedSemaphore, Event, Condition and Barrier between processes.
//
// All are handles: cheap to copy, every copy names the same shared object, in any process that it
// is passed to. They may be globals, made before main.
//
// Threads: any handle may be used from several threads at once.
// Fork:    the child's handles name the parent's objects. What the parent holds, the child does
//          not hold.
// Death:   a process may be killed at any instruction of any call; the others go on, and where they
//          wait for it they are told. What "told" means stands with each class.
// Signals: never disturb a wait.
//
// A timeout is any std::chrono duration or mp::forever; a bare number does not compile.
#pragma once
#include <multiprocessing/detail/handle.hpp>
#include <multiprocessing/timeout.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace multiprocessing {

namespace managers {
class BarrierReferent;
}  // namespace managers

namespace detail {
class HandleAccess;

/// A call of something that returns nothing, by address; the caller keeps it alive.
struct Callback {
  void (*run)(void*) = nullptr;
  void* context = nullptr;

  template <class F> static Callback of(F& f) noexcept {
    return {[](void* callable) { (*static_cast<F*>(callable))(); },
            const_cast<std::remove_const_t<F>*>(std::addressof(f))};
  }
};

/// acquire() and the standard library's names for it, over `bool Derived::acquire(bool, Timeout)`.
template <class Derived> class Lockable {
 public:
  /// Waits until it is acquired; says true. Python: acquire().
  bool acquire() { return self().acquire_for(forever); }
  /// With false: does not wait. Says whether it is acquired. Python: acquire(block).
  bool acquire(ExactlyBool auto block) { return acquire(block, forever); }
  /// Python: acquire(block, timeout); without `block` the timeout is not looked at.
  bool acquire(ExactlyBool auto block, Timeout timeout) {
    return self().acquire_for(block ? timeout : Timeout(std::chrono::seconds(0)));
  }
  /// Waits no longer than that; says whether it is acquired. Python: acquire(timeout=…).
  bool acquire(Timeout timeout) { return self().acquire_for(timeout); }

  /// The same for std::scoped_lock, std::unique_lock and std::lock_guard.
  void lock() { acquire(); }
  [[nodiscard]] bool try_lock() { return acquire(false); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> timeout) {
    return acquire(Timeout(timeout));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> moment) {
    return acquire(Timeout(moment - Clock::now()));
  }
  void unlock() { self().release(); }

 protected:
  Lockable() = default;

 private:
  Derived& self() noexcept { return static_cast<Derived&>(*this); }
};
}  // namespace detail

/// The type of `recover`.
struct Recover {
  explicit constexpr Recover() = default;
};

/// `Lock(recover)`, `RLock(recover)`: who comes after a dead holder gets the lock as it is, and a
/// warning goes to the log.
inline constexpr Recover recover{};

/// What a Lock and an RLock have in common; a handle to either.
///
/// Death: when the process that holds it ends in any way, every acquire throws OwnerDiedError,
/// which names who died, from within 10 ms on until somebody calls make_consistent(). An acquire
/// that throws does not hold the lock.
class AnyLock : public detail::Lockable<AnyLock> {
 public:
  /// THROWS: ValueError for a Lock that nobody holds; AssertionError for an RLock that another
  /// thread holds, or nobody; OwnerDiedError for a Lock whose holder died.
  void release();

  /// Whether anybody holds it, dead or alive (Python 3.14).
  [[nodiscard]] bool locked() const;

  /// After a holder's death: says that what the lock guards is in order. Leaves the lock free.
  /// Does nothing where nobody died. The caller holds nothing.
  void make_consistent();

  /// After a holder's death: runs `repair` with everybody else kept out, and makes the lock
  /// consistent if it returns. Where nobody died `repair` is not run.
  template <std::invocable Repair> void make_consistent(Repair&& repair) {
    make_consistent_by(detail::Callback::of(repair));
  }

  friend bool operator==(const AnyLock& a, const AnyLock& b) noexcept {
    return a.handle_ == b.handle_;
  }

 protected:
  explicit AnyLock(detail::Handle handle) noexcept : handle_(std::move(handle)) {}

 private:
  friend class detail::HandleAccess;
  friend class detail::Lockable<AnyLock>;
  friend class Condition;
  bool acquire_for(Timeout timeout);
  void make_consistent_by(detail::Callback repair);

  detail::Handle handle_;
};

/// A lock that one process holds at a time, and that any process or thread may release.
/// Python: `multiprocessing.Lock`.
class Lock : public AnyLock {
 public:
  Lock();
  explicit Lock(Recover);

 private:
  friend class detail::HandleAccess;
  explicit Lock(detail::Handle handle) noexcept : AnyLock(std::move(handle)) {}
};

/// A lock that belongs to one thread of one process, which may acquire it several times and has
/// to release it as often. Python: `multiprocessing.RLock`.
class RLock : public AnyLock {
 public:
  RLock();
  explicit RLock(Recover);

 private:
  friend class detail::HandleAccess;
  explicit RLock(detail::Handle handle) noexcept : AnyLock(std::move(handle)) {}
};

/// A number of permits. They are signals: who takes one does not hold it, anybody may give one, and
/// those that a dead process took are gone. Python: `multiprocessing.Semaphore`.
class Semaphore : public detail::Lockable<Semaphore> {
 public:
  /// THROWS: ValueError for a negative number.
  explicit Semaphore(int value = 1);

  /// Takes `permits` at once or none, and says which; they are not kept back for who asks for
  /// many. THROWS: ValueError for less than 1, or for more than a BoundedSemaphore has.
  bool acquire_many(int permits, Timeout timeout = forever);

  /// Gives `permits` at once. THROWS: ValueError for less than 1, or for more than fit (for a
  /// BoundedSemaphore: than are taken); then none was given.
  void release(int permits = 1);

  /// The permits that are left.
  [[nodiscard]] int get_value() const;
  /// Whether none is left (Python 3.14).
  [[nodiscard]] bool locked() const { return get_value() == 0; }

  friend bool operator==(const Semaphore& a, const Semaphore& b) noexcept {
    return a.handle_ == b.handle_;
  }

 protected:
  explicit Semaphore(detail::Handle handle) noexcept : handle_(std::move(handle)) {}

 private:
  friend class detail::HandleAccess;
  friend class detail::Lockable<Semaphore>;
  bool acquire_for(Timeout timeout);

  detail::Handle handle_;
};

/// A semaphore that is never given more than was taken, and whose permits are held by the process
/// that took them. Python: `multiprocessing.BoundedSemaphore`.
///
/// What a process releases that it did not take comes off the accounts of those who took, the one
/// who has held permits longest before the others.
///
/// Death: the permits of a holder that ended come back.
class BoundedSemaphore : public Semaphore {
 public:
  explicit BoundedSemaphore(int value = 1);

 private:
  friend class detail::HandleAccess;
  explicit BoundedSemaphore(detail::Handle handle) noexcept : Semaphore(std::move(handle)) {}
};

/// A flag to wait for. Python: `multiprocessing.Event`.
class Event {
 public:
  Event();

  /// Sets the flag and wakes all waiters. May be called in a signal handler.
  void set();
  void clear();
  [[nodiscard]] bool is_set() const;
  /// Waits until the flag is set; says false when the time was over before. A waiter sees every
  /// set(), also one that is followed by clear() at once.
  bool wait(Timeout timeout = forever) const;

  friend bool operator==(const Event& a, const Event& b) noexcept { return a.handle_ == b.handle_; }

 private:
  friend class detail::HandleAccess;
  explicit Event(detail::Handle handle) noexcept : handle_(std::move(handle)) {}
  detail::Handle handle_;
};

/// A place to wait for what somebody else changes under a lock; acquires and releases as its lock
/// does. Python: `multiprocessing.Condition`.
///
/// Death: a notification is for a living waiter. Where one is killed before its wait() returned,
/// its notification goes to the next. notify() waits for nobody.
class Condition : public detail::Lockable<Condition> {
 public:
  /// With an RLock of its own.
  Condition();
  /// With that lock; several conditions may share one.
  explicit Condition(const AnyLock& lock);

  void release();
  [[nodiscard]] bool locked() const;
  void make_consistent();
  template <std::invocable Repair> void make_consistent(Repair&& repair) {
    make_consistent_by(detail::Callback::of(repair));
  }

  /// Releases the lock, all levels of it, sleeps until it is notified or the time is over, and
  /// takes the lock back, however long that takes. Says whether it was notified.
  /// The death of who holds the lock ends the wait too, within a tenth of a second: it may have
  /// been about to notify, or have been notified. With mp::recover, and where somebody else
  /// has made the lock consistent by then, it returns true.
  /// THROWS: AssertionError without the lock; OwnerDiedError when the lock's holder died
  /// meanwhile: then the lock is not held, and the releases of guards that the error passes do
  /// nothing.
  bool wait(Timeout timeout = forever);

  /// Waits until `predicate` holds; it is asked under the lock, before the first wait too. Says
  /// what it said last.
  template <std::predicate Predicate>
  bool wait_for(Predicate&& predicate, Timeout timeout = forever) {
    bool held = false;
    auto ask = [&] { held = static_cast<bool>(predicate()); };
    wait_until_held(detail::Callback::of(ask), held, timeout);
    return held;
  }

  /// Wakes up to `n` living waiters, those that have waited longest. THROWS: AssertionError without
  /// the lock, ValueError for a negative number.
  void notify(int n = 1);
  void notify_all();

  friend bool operator==(const Condition& a, const Condition& b) noexcept {
    return a.handle_ == b.handle_;
  }

 private:
  friend class detail::HandleAccess;
  friend class detail::Lockable<Condition>;
  explicit Condition(detail::Handle handle) noexcept : handle_(std::move(handle)) {}
  bool acquire_for(Timeout timeout);
  void make_consistent_by(detail::Callback repair);
  void wait_until_held(detail::Callback ask, const bool& held, Timeout timeout);

  detail::Handle handle_;
};

/// A place where a fixed number of parties wait for each other, again and again.
/// Python: `multiprocessing.Barrier`.
///
/// Death: when a party that waits dies, the barrier breaks, and the others are told within 100 ms.
class Barrier {
 public:
  /// `timeout` is for each wait() without one. THROWS: ValueError for less than 1 party.
  explicit Barrier(int parties, std::nullptr_t action = nullptr, Timeout timeout = forever);
  Barrier(int parties, Timeout timeout) : Barrier(parties, nullptr, timeout) {}

  /// The party that comes last runs `action` before all go on; an exception of it leaves that
  /// party's wait() and breaks the barrier. It is kept in this handle, its copies, and those in
  /// forked children; one of them has to come last.
  template <std::invocable Action>
  Barrier(int parties, Action action, Timeout timeout = forever)
      : Barrier(parties, timeout, std::make_shared<Action>(std::move(action))) {}

  /// Waits until all parties have come; says as how many-th this one came, from 0. The time that
  /// the action takes does not count. THROWS: BrokenBarrierError when the barrier is broken, is
  /// reset, aborted or somebody's time is over, or a party died.
  int wait(Timeout timeout = forever);

  /// Makes it as new. Who waits gets BrokenBarrierError.
  void reset();
  /// Breaks it: who waits, and who comes until reset() is called, gets BrokenBarrierError.
  void abort();
  [[nodiscard]] int parties() const;
  /// How many wait; 0 while the last round is ended or the barrier broken.
  [[nodiscard]] int n_waiting() const;
  [[nodiscard]] bool broken() const;

  friend bool operator==(const Barrier& a, const Barrier& b) noexcept {
    return a.handle_ == b.handle_;
  }

 private:
  friend class detail::HandleAccess;
  friend class managers::BarrierReferent;
  int wait_and_look(Timeout timeout, detail::Callback look);
  explicit Barrier(detail::Handle handle) noexcept : handle_(std::move(handle)) {}
  template <class Action>
  Barrier(int parties, Timeout timeout, std::shared_ptr<Action> action)
      : handle_(make(parties, true, timeout)),
        action_(action, action.get()),
        run_(detail::Callback::of(*action).run) {}
  static detail::Handle make(int parties, bool has_action, Timeout timeout);

  detail::Handle handle_;
  std::shared_ptr<void> action_;
  void (*run_)(void*) = nullptr;  // calls *action_
};

}  // namespace multiprocessing
