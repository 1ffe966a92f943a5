// SPDX-License-Identifier: BSL-1.0
// Queues between processes: any number of producers and of consumers, first in first out.
//
// A message is encoded by put() itself and lies in shared memory when put() returns: there is no
// feeder thread, a producer may end at once, and joining it before the queue is drained does not
// hang. All of these are handles: copies name the same queue, also in a child, in a message, as an
// argument or in a container of a manager. The queue lives until its last handle is gone.
//
// Threads: any handle may be used from any number of threads.
// Fork:    the child's handles name the same queue.
// Death:   any process may be killed at any instruction. The others go on; a message is received
//          whole and once, or was in the hands of the killed process: not yet put, or already
//          taken.
#pragma once
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <multiprocessing/detail/byte_queue.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <multiprocessing/timeout.hpp>
#include <utility>

namespace multiprocessing {

namespace detail {
/// Python's `block, timeout`.
constexpr Timeout timeout_of(bool block, Timeout timeout) noexcept {
  return block ? timeout : Timeout(std::chrono::seconds(0));
}
}  // namespace detail

/// Python's `multiprocessing.Queue`: messages of type T (by default any that Python has, too).
template <class T = Object> class Queue : protected detail::ByteQueue {
 public:
  using value_type = T;

  /// No limit: it grows with what is put, up to the segment limit, and shrinks again.
  Queue() : Queue(0) {}

  /// `maxsize`: how many messages it holds; 0 for no limit. THROWS: ValueError if negative,
  /// MemoryError.
  explicit Queue(std::int64_t maxsize) : ByteQueue(Flavour::kQueue, maxsize) {}

  /// Appends a copy of `object`, waiting for room while the queue is full. What returns has put;
  /// what throws has not. THROWS: Full when the time is over, ValueError after close(), MemoryError
  /// when the segment limit is reached, std::system_error if `object` contains a Connection and
  /// too many wait in queues already (ENOBUFS with 400 such messages, ETOOMANYREFS at the limit of
  /// a user), and what the serialisation of T throws.
  void put(const T& object, Timeout timeout = forever) const { put_as(object, timeout); }

  /// The same in Python's order; with `block` false it does not wait, whatever the timeout.
  template <detail::ExactlyBool Bool>
  void put(const T& object, Bool block, Timeout timeout = forever) const {
    put_as(object, detail::timeout_of(block, timeout));
  }

  /// The same without waiting.
  void put_nowait(const T& object) const { put(object, false); }

  /// Takes the oldest message, waiting for one while the queue is empty. THROWS: Empty when the
  /// time is over, ValueError after close(), TypeError if the message is of a type that cannot be
  /// read as T, std::system_error (EMFILE) if there is no room for a Connection in it: then it
  /// stays the oldest in the queue.
  [[nodiscard]] T get(Timeout timeout = forever) const { return get_as<T>(timeout); }

  /// The same in Python's order; with `block` false it does not wait, whatever the timeout.
  template <detail::ExactlyBool Bool>
  [[nodiscard]] T get(Bool block, Timeout timeout = forever) const {
    return get_as<T>(detail::timeout_of(block, timeout));
  }

  /// The same without waiting.
  [[nodiscard]] T get_nowait() const { return get(false); }

  /// How many messages it holds at this moment. Also after close().
  using ByteQueue::qsize;
  /// Whether it holds none at this moment. THROWS: ValueError after close().
  using ByteQueue::empty;
  /// Whether a put would have to wait at this moment. Also after close().
  using ByteQueue::full;
  /// This process will neither put nor get any more: from here on its handles to this queue, all of
  /// them, throw ValueError. Other processes are not concerned. May be called again.
  using ByteQueue::close;
  /// Returns at once, as everything is in the queue already. THROWS: AssertionError before close().
  using ByteQueue::join_thread;
  /// Does nothing, as there is no thread that a process would wait for.
  void cancel_join_thread() const noexcept {}

  /// Whether both name the same queue.
  friend bool operator==(const Queue& a, const Queue& b) noexcept { return a.handle_ == b.handle_; }

 protected:
  friend class detail::HandleAccess;
  explicit Queue(detail::Handle handle) : ByteQueue(std::move(handle)) {}
  Queue(Flavour flavour, std::int64_t maxsize) : ByteQueue(flavour, maxsize) {}
};

/// Python's `multiprocessing.JoinableQueue`: a Queue that knows which of its items are finished.
template <class T = Object> class JoinableQueue : public Queue<T> {
 public:
  JoinableQueue() : JoinableQueue(0) {}
  explicit JoinableQueue(std::int64_t maxsize)
      : Queue<T>(detail::ByteQueue::Flavour::kJoinable, maxsize) {}

  /// Says that an item that was taken is finished. Any process may say it; the item counts as one
  /// of its own if it has taken any. THROWS: ValueError if all items are finished already.
  void task_done() const { detail::ByteQueue::task_done(); }

  /// Waits until every item that was put has been taken and marked by task_done(). Returns whether
  /// that is so when the time is over. THROWS: OwnerDiedError when a process has ended with items
  /// that it took and did not mark: its lost() says how many; they count as finished from then on,
  /// so that join() may be called again for the others.
  bool join(Timeout timeout = forever) const { return detail::ByteQueue::join(timeout); }

 private:
  friend class detail::HandleAccess;
  explicit JoinableQueue(detail::Handle handle) : Queue<T>(std::move(handle)) {}
};

/// Python's `multiprocessing.SimpleQueue`: without limit. It can all that a Queue can, waits that
/// end too, which Python's cannot.
template <class T = Object> class SimpleQueue : public Queue<T> {
 public:
  SimpleQueue() : Queue<T>(detail::ByteQueue::Flavour::kSimple, 0) {}

 private:
  friend class detail::HandleAccess;
  explicit SimpleQueue(detail::Handle handle) : Queue<T>(std::move(handle)) {}
};

}  // namespace multiprocessing
