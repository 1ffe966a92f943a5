// SPDX-License-Identifier: BSL-1.0
// Proxies of queues that live in a manager's server. A message stays in it as it came, so that the
// server need not know its type.
//
// Death: a process that is killed while it waits in get() takes nothing. A JoinableQueue's join()
//        throws OwnerDiedError when a process ended with items that it took and did not mark.
#pragma once
#include <multiprocessing/detail/managers/container.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/timeout.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace multiprocessing {

/// Members as those of mp::Queue. Python: the proxy of `SyncManager.Queue`.
template <class T = Object> class QueueProxy : public BaseProxy {
 public:
  using value_type = T;
  QueueProxy() = default;

  /// THROWS: Full when the time is over.
  void put(const T& object, Timeout timeout = forever) const {
    run<void>("put", object, true, detail::seconds_of(timeout));
  }
  template <detail::ExactlyBool Bool>
  void put(const T& object, Bool block, Timeout timeout = forever) const {
    run<void>("put", object, block, detail::seconds_of(timeout));
  }
  void put_nowait(const T& object) const { put(object, false); }

  /// THROWS: Empty when the time is over; TypeError if the message is no T: it is gone then.
  [[nodiscard]] T get(Timeout timeout = forever) const {
    return run<T>("get", true, detail::seconds_of(timeout));
  }
  template <detail::ExactlyBool Bool>
  [[nodiscard]] T get(Bool block, Timeout timeout = forever) const {
    return run<T>("get", block, detail::seconds_of(timeout));
  }
  [[nodiscard]] T get_nowait() const { return get(false); }

  [[nodiscard]] std::size_t qsize() const { return run<std::uint64_t>("qsize"); }
  [[nodiscard]] bool empty() const { return run<bool>("empty"); }
  [[nodiscard]] bool full() const { return run<bool>("full"); }

 protected:
  friend class detail::ProxyAccess;
  using BaseProxy::BaseProxy;
};

/// Members as those of mp::JoinableQueue. Python: the proxy of `SyncManager.JoinableQueue`.
template <class T = Object> class JoinableQueueProxy : public QueueProxy<T> {
 public:
  JoinableQueueProxy() = default;

  /// THROWS: ValueError if all items are finished already.
  void task_done() const { this->template run<void>("task_done"); }
  /// THROWS: OwnerDiedError, see mp::JoinableQueue::join.
  bool join(Timeout timeout = forever) const {
    if (timeout.is_forever()) return (this->template run<void>("join"), true);
    return this->template run<bool>("join", detail::seconds_of(timeout));
  }

 private:
  friend class detail::ProxyAccess;
  using QueueProxy<T>::QueueProxy;
};

namespace detail {
template <class T> struct Traveller<QueueProxy<T>> : ProxyTraveller<QueueProxy<T>, "Queue"> {};
template <class T>
struct Traveller<JoinableQueueProxy<T>> : ProxyTraveller<JoinableQueueProxy<T>, "JoinableQueue"> {};
}  // namespace detail
}  // namespace multiprocessing
