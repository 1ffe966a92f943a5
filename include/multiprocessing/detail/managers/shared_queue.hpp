// SPDX-License-Identifier: BSL-1.0
// A queue of the program's in a server: what a callable that returns one gives to other programs.
//
// Death: a message whose taker had gone before it was given it is put back, behind the others. For
//        the queue itself it is the server that takes what its clients take; of what these did not
//        mark as done it is told when they end.
#pragma once
#include <multiprocessing/detail/managers/referent.hpp>
#include <multiprocessing/detail/managers/waits.hpp>
#include <multiprocessing/queues.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>

namespace multiprocessing::detail {

template <class T> inline constexpr bool kIsQueue = false;
template <class T> inline constexpr bool kIsQueue<Queue<T>> = true;
template <class T> inline constexpr bool kIsQueue<JoinableQueue<T>> = true;
template <class T> inline constexpr bool kIsQueue<SimpleQueue<T>> = true;

/// Runs it in a thread of the library's own, which may wait: a session's thread may not where its
/// client has died, for what that one held is given back only behind it. THROWS: std::system_error.
void run_later(std::function<void()> work);

/// A client has been given an item of a JoinableQueue of the program, which the server took for it.
/// THROWS: std::bad_alloc.
void note_taken(const Handle& joinable, const Caller& caller);
/// It has marked one as done, or was not given it.
void note_given_back(const Handle& joinable, const Caller& caller) noexcept;

/// A Queue of the program, reached through the server. Python: what `lambda: queue` returns.
template <class Q> class SharedQueueReferent final : public Referent {
 public:
  using T = typename Q::value_type;
  explicit SharedQueueReferent(Q queue) : queue_(std::move(queue)) {}

  [[nodiscard]] std::string_view type_id() const override {
    return kJoinable ? "JoinableQueue" : "Queue";
  }
  [[nodiscard]] std::span<const Method> methods() const override {
    using Self = SharedQueueReferent;
    static constexpr Method kMethods[] = {
        {"put", "obj,block,timeout", run_method<Self, &Self::put>},
        {"get", "block,timeout", run_method<Self, &Self::get>},
        {"put_nowait", "obj", run_method<Self, &Self::put_nowait>},
        {"get_nowait", "", run_method<Self, &Self::get_nowait>},
        {"qsize", "", run_method<Self, &Self::qsize>},
        {"empty", "", run_method<Self, &Self::empty>},
        {"full", "", run_method<Self, &Self::full>},
        {"task_done", "", run_method<Self, &Self::task_done>},
        {"join", "timeout", run_method<Self, &Self::join>},
    };
    return kMethods;
  }

 private:
  static constexpr bool kJoinable = requires(const Q& queue) { queue.task_done(); };

  void put(ServerCall& call) {
    const auto object = call.arg<T>();
    put_for(call, object, timeout_of_acquire(call));
  }
  void put_nowait(ServerCall& call) { put_for(call, call.arg<T>(), std::chrono::seconds(0)); }
  void put_for(ServerCall& call, const T& object, Timeout timeout) {
    in_slices(call, timeout, [&](Timeout slice, bool last) {
      try {
        queue_.put(object, slice);
        return true;
      } catch (const Full&) {
        if (last) throw;
        return false;
      }
    });
  }
  void get(ServerCall& call) { get_for(call, timeout_of_acquire(call)); }
  void get_nowait(ServerCall& call) { get_for(call, std::chrono::seconds(0)); }
  void get_for(ServerCall& call, Timeout timeout) {
    in_slices(call, timeout, [&](Timeout slice, bool last) {
      try {
        give(call, queue_.get(slice));
        return true;
      } catch (const Empty&) {
        if (last) throw;
        return false;
      }
    });
  }
  void give(ServerCall& call, const T& object) {
    try {
      std::function<void()> undo = [self = shared_from_this(), this, caller = call.caller(),
                                    object] {
        if constexpr (kJoinable) note_given_back(HandleAccess::get(queue_), caller);
        put_back(queue_, object);
      };
      call.reply(object);
      // The last that may throw: what is noted is undone from here on.
      if constexpr (kJoinable) note_taken(HandleAccess::get(queue_), call.caller());
      call.on_undelivered(std::move(undo));
    } catch (...) {
      put_back(queue_, object);
      throw;
    }
  }
  // Behind the others now, but not lost.
  static void put_back(const Q& queue, const T& object) {
    try {
      queue.put_nowait(object);
      count_once(queue);
    } catch (const Full&) {
      run_later([queue, object] {
        queue.put(object);
        count_once(queue);
      });
    }
  }
  // What is put back was counted as unfinished when it was put first.
  static void count_once(const Q& queue) {
    if constexpr (kJoinable) queue.task_done();
  }
  void qsize(ServerCall& call) { call.reply<std::uint64_t>(queue_.qsize()); }
  void empty(ServerCall& call) { call.reply(queue_.empty()); }
  void full(ServerCall& call) { call.reply(queue_.full()); }
  void task_done([[maybe_unused]] ServerCall& call) {
    if constexpr (kJoinable) {
      queue_.task_done();
      note_given_back(HandleAccess::get(queue_), call.caller());
    } else {
      throw AttributeError("Queue: task_done is a method of a JoinableQueue");
    }
  }
  void join(ServerCall& call) {
    const Timeout timeout = timeout_of_wait(call);
    if constexpr (requires(Q & q) { q.task_done(); }) {
      bool done = false;
      in_slices(call, timeout, [&](Timeout slice, bool last) {
        done = queue_.join(slice);
        return done || last;
      });
      call.reply(done);
    } else {
      throw AttributeError("Queue: join is a method of a JoinableQueue");
    }
  }

  Q queue_;
};

}  // namespace multiprocessing::detail
