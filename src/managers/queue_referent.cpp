// SPDX-License-Identifier: BSL-1.0
#include "managers/queue_referent.hpp"

#include <fmt/format.h>

#include <chrono>
#include <multiprocessing/detail/managers/waits.hpp>
#include <multiprocessing/errors.hpp>

#include "os/clock.hpp"

namespace multiprocessing::managers {

using detail::RawValue;
using detail::run_method;

namespace {
os::Deadline at_once() { return os::Deadline::after(std::chrono::seconds(0)); }
}  // namespace

std::span<const Method> QueueReferent::methods() const {
  using Self = QueueReferent;
  static constexpr Method kMethods[] = {
      {"put", "item,block,timeout", run_method<Self, &Self::put>},
      {"get", "block,timeout", run_method<Self, &Self::get>},
      {"put_nowait", "item", run_method<Self, &Self::put_nowait>},
      {"get_nowait", "", run_method<Self, &Self::get_nowait>},
      {"qsize", "", run_method<Self, &Self::qsize>},
      {"empty", "", run_method<Self, &Self::empty>},
      {"full", "", run_method<Self, &Self::full>},
      {"task_done", "", run_method<Self, &Self::task_done>},
      {"join", "timeout", run_method<Self, &Self::join>},
  };
  return kMethods;
}

bool QueueReferent::is_full() const {
  return maxsize_ > 0 && items_.size() >= static_cast<std::size_t>(maxsize_);
}

void QueueReferent::put(ServerCall& call) {
  RawValue object = call.raw_arg();
  put_before(call, std::move(object), os::Deadline::after(detail::timeout_of_acquire(call)));
}

void QueueReferent::put_nowait(ServerCall& call) { put_before(call, call.raw_arg(), at_once()); }

void QueueReferent::put_before(ServerCall& call, RawValue object, const os::Deadline& deadline) {
  std::unique_lock lock(mutex_);
  while (is_full()) {
    if (!call.wait(lock, not_full_, deadline)) {
      throw Full(fmt::format("{} of a manager: put: it holds {} messages", type_id(), maxsize_));
    }
  }
  items_.push_back(std::move(object));
  ++unfinished_;
  not_empty_.notify_one();
}

void QueueReferent::get(ServerCall& call) {
  get_before(call, os::Deadline::after(detail::timeout_of_acquire(call)));
}
void QueueReferent::get_nowait(ServerCall& call) { get_before(call, at_once()); }

void QueueReferent::get_before(ServerCall& call, const os::Deadline& deadline) {
  std::unique_lock lock(mutex_);
  while (items_.empty()) {
    if (!call.wait(lock, not_empty_, deadline)) {
      throw Empty(fmt::format("{} of a manager: get: it holds no message", type_id()));
    }
  }
  call.reply_raw(items_.front());
  note_taken(call);
  items_.pop_front();
  not_full_.notify_one();
}

// The oldest; all that may throw comes before anything is changed.
void QueueReferent::note_taken(ServerCall& call) {
  const auto client = call.caller().client;
  const auto object = std::make_shared<RawValue>();
  call.on_undelivered(
      [self = shared_from_this(), this, client, object] { put_back(*object, *client); });
  try {
    if (joinable_) {
      // First, or a client could end without this being told.
      if (!in_hand_.contains(client.get())) client->holds(*this);
      ++in_hand_[client.get()];
    }
  } catch (...) {
    call.on_undelivered({});
    throw;
  }
  *object = std::move(items_.front());
}

void QueueReferent::put_back(RawValue object, Client& taker) {
  const std::lock_guard guard(mutex_);
  items_.push_front(std::move(object));
  if (const auto found = in_hand_.find(&taker); found != in_hand_.end()) give_back(found);
  not_empty_.notify_one();
}

// A client that is in the map lives: the end of one begins with client_died().
void QueueReferent::give_back(InHand::iterator taker) noexcept {
  if (--taker->second != 0) return;
  taker->first->holds_no_more(*this);
  in_hand_.erase(taker);
}

void QueueReferent::qsize(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  call.reply<std::uint64_t>(items_.size());
}

void QueueReferent::empty(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  call.reply(items_.empty());
}

void QueueReferent::full(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  call.reply(is_full());
}

void QueueReferent::task_done(ServerCall& call) {
  const std::lock_guard guard(mutex_);
  if (unfinished_ == 0) throw ValueError("task_done() called too many times");
  // What the caller has not taken itself, another has, who passed it on.
  auto taker = in_hand_.find(call.caller().client.get());
  if (taker == in_hand_.end()) taker = in_hand_.begin();
  if (taker != in_hand_.end()) give_back(taker);
  if (--unfinished_ == 0) all_done_.notify_all();
}

void QueueReferent::join(ServerCall& call) {
  const os::Deadline deadline = os::Deadline::after(detail::timeout_of_wait(call));
  std::unique_lock lock(mutex_);
  for (;;) {
    if (!lost_.empty()) {
      const Lost lost = std::move(lost_.front());
      lost_.pop_front();
      throw OwnerDiedError(lost.pid, lost.name, lost.items, std::string(type_id()));
    }
    if (unfinished_ == 0) return call.reply(true);
    if (!call.wait(lock, all_done_, deadline)) return call.reply(false);
  }
}

void QueueReferent::client_died(Client& client) noexcept {
  const std::lock_guard guard(mutex_);
  const auto found = in_hand_.find(&client);
  if (found == in_hand_.end()) return;
  unfinished_ -= std::min(unfinished_, found->second);
  lost_.push_back({client.pid, client.name, found->second});
  in_hand_.erase(found);
  all_done_.notify_all();
}

}  // namespace multiprocessing::managers
