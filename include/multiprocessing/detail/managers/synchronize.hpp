// SPDX-License-Identifier: BSL-1.0
// Proxies of locks and their like, which live in a manager's server. Members as those of
// <multiprocessing/synchronize.hpp>; what is thrown for misuse is Python's RuntimeError.
//
// Death: a Lock or RLock whose holder's process ended is OwnerDiedError for who comes, until
//        make_consistent(). A BoundedSemaphore gets its permits back, a Barrier breaks, and a
//        notification goes to a living waiter.
#pragma once
#include <multiprocessing/detail/managers/container.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/synchronize.hpp>
#include <multiprocessing/timeout.hpp>

#include <chrono>
#include <concepts>
#include <system_error>
#include <utility>

namespace multiprocessing {
namespace detail {

/// What the proxies of locks and semaphores have in common. Python: `AcquirerProxy`.
template <class Derived> class AcquirerProxy : public BaseProxy, public Lockable<Derived> {
 public:
  AcquirerProxy() = default;
  /// THROWS: RuntimeError if nobody holds it; an RLock's: if another thread does.
  void release() const { run<void>("release"); }
  /// Whether anybody holds it.
  [[nodiscard]] bool locked() const { return run<bool>("locked"); }

  /// As release(), for the end of a guard's scope: a server that is gone holds nothing, and the
  /// next call tells of it.
  void unlock() const {
    try {
      static_cast<const Derived&>(*this).release();
    } catch (const EOFError&) {
    } catch (const std::system_error&) {
    }
  }

 protected:
  using BaseProxy::BaseProxy;

 private:
  friend class Lockable<Derived>;
  bool acquire_for(Timeout timeout) const {
    return run<bool>("acquire", true, seconds_of(timeout));
  }
};

}  // namespace detail

/// Python: `AcquirerProxy` of a Lock.
class LockProxy : public detail::AcquirerProxy<LockProxy> {
 public:
  LockProxy() = default;
  /// After a holder's death: says that what the lock guards is in order, and frees it.
  void make_consistent() const { run<void>("make_consistent"); }

 private:
  friend class detail::ProxyAccess;
  using AcquirerProxy::AcquirerProxy;
};

/// Belongs to a thread of a process. Python: `AcquirerProxy` of an RLock.
class RLockProxy : public detail::AcquirerProxy<RLockProxy> {
 public:
  RLockProxy() = default;
  void make_consistent() const { run<void>("make_consistent"); }

 private:
  friend class detail::ProxyAccess;
  using AcquirerProxy::AcquirerProxy;
};

/// Python: `AcquirerProxy` of a Semaphore.
class SemaphoreProxy : public detail::AcquirerProxy<SemaphoreProxy> {
 public:
  SemaphoreProxy() = default;
  /// Takes so many at once, or none.
  bool acquire_many(int permits, Timeout timeout = forever) const {
    return run<bool>("acquire_many", permits, detail::seconds_of(timeout));
  }
  /// THROWS: ValueError for less than 1, or more than a BoundedSemaphore lacks.
  void release(int permits = 1) const { run<void>("release", permits); }
  [[nodiscard]] int get_value() const { return run<int>("get_value"); }

 protected:
  friend class detail::ProxyAccess;
  using AcquirerProxy::AcquirerProxy;
};

/// Python: `AcquirerProxy` of a BoundedSemaphore.
class BoundedSemaphoreProxy : public SemaphoreProxy {
 public:
  BoundedSemaphoreProxy() = default;

 private:
  friend class detail::ProxyAccess;
  using SemaphoreProxy::SemaphoreProxy;
};

/// Python: `EventProxy`.
class EventProxy : public BaseProxy {
 public:
  EventProxy() = default;
  void set() const { run<void>("set"); }
  void clear() const { run<void>("clear"); }
  [[nodiscard]] bool is_set() const { return run<bool>("is_set"); }
  /// False: the time was over before it was set.
  bool wait(Timeout timeout = forever) const {
    return run<bool>("wait", detail::seconds_of(timeout));
  }

 private:
  friend class detail::ProxyAccess;
  using BaseProxy::BaseProxy;
};

/// Python: `ConditionProxy`.
class ConditionProxy : public detail::AcquirerProxy<ConditionProxy> {
 public:
  ConditionProxy() = default;
  /// False: the time was over before it was notified. THROWS: RuntimeError without the lock.
  bool wait(Timeout timeout = forever) const {
    return run<bool>("wait", detail::seconds_of(timeout));
  }
  /// `predicate` is called here, with the lock.
  template <std::predicate Predicate>
  bool wait_for(Predicate&& predicate, Timeout timeout = forever) const {
    using Clock = std::chrono::steady_clock;
    const auto begin = Clock::now();
    while (!static_cast<bool>(predicate())) {
      if (timeout.is_forever()) {
        wait();
        continue;
      }
      const auto left = std::chrono::nanoseconds(timeout.nanoseconds()) - (Clock::now() - begin);
      if (left <= std::chrono::nanoseconds::zero()) return false;
      wait(left);
    }
    return true;
  }
  void notify(int n = 1) const { run<void>("notify", n); }
  void notify_all() const { run<void>("notify_all"); }
  void make_consistent() const { run<void>("make_consistent"); }

 private:
  friend class detail::ProxyAccess;
  using AcquirerProxy::AcquirerProxy;
};

/// Python: `BarrierProxy`.
class BarrierProxy : public BaseProxy {
 public:
  BarrierProxy() = default;
  /// As how many-th this party came, from 0. THROWS: BrokenBarrierError.
  int wait(Timeout timeout = forever) const {
    return run<int>("wait", detail::seconds_of(timeout));
  }
  void abort() const { run<void>("abort"); }
  void reset() const { run<void>("reset"); }
  [[nodiscard]] int parties() const { return run<int>("__getattribute__", "parties"); }
  [[nodiscard]] int n_waiting() const { return run<int>("__getattribute__", "n_waiting"); }
  [[nodiscard]] bool broken() const { return run<bool>("__getattribute__", "broken"); }

 private:
  friend class detail::ProxyAccess;
  using BaseProxy::BaseProxy;
};

namespace detail {
template <> struct Traveller<LockProxy> : ProxyTraveller<LockProxy, "Lock"> {};
template <> struct Traveller<RLockProxy> : ProxyTraveller<RLockProxy, "RLock"> {};
template <> struct Traveller<SemaphoreProxy> : ProxyTraveller<SemaphoreProxy, "Semaphore"> {};
template <>
struct Traveller<BoundedSemaphoreProxy>
    : ProxyTraveller<BoundedSemaphoreProxy, "BoundedSemaphore"> {};
template <> struct Traveller<EventProxy> : ProxyTraveller<EventProxy, "Event"> {};
template <> struct Traveller<ConditionProxy> : ProxyTraveller<ConditionProxy, "Condition"> {};
template <> struct Traveller<BarrierProxy> : ProxyTraveller<BarrierProxy, "Barrier"> {};
}  // namespace detail
}  // namespace multiprocessing
