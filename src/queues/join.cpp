// SPDX-License-Identifier: BSL-1.0
// What a JoinableQueue adds.
#include <fmt/format.h>

#include <multiprocessing/detail/byte_queue.hpp>
#include <multiprocessing/errors.hpp>
#include <string>

#include "queues/ledger.hpp"
#include "queues/local_queue.hpp"
#include "queues/side_guard.hpp"

namespace multiprocessing::detail {
namespace {

using queues::Ledger;
using queues::QueueObject;
using queues::SideGuard;

// Looks without a lock, for those who wait; whoever goes on looks again under it.
bool worth_a_look(QueueObject& queue, std::uint32_t told) noexcept {
  const Ledger& ledger = *queue.ledger();
  return ledger.lost.load(std::memory_order_relaxed) != told ||
         ledger.unfinished(queue.producers.place.load(std::memory_order_acquire).count) == 0 ||
         queue.consumers.lock.held_by_dead() || ledger.has_dead_taker();
}

}  // namespace

void ByteQueue::task_done() const {
  QueueObject& queue = local_->object;
  Ledger& ledger = *queue.ledger();
  bool marked = false;
  bool last = false;
  {
    const SideGuard guard(queue, queue.consumers, queues::settle_consumers, os::Deadline::never());
    // What was put when somebody last looked is enough, unless this may be the last item.
    std::uint32_t put = queue.consumers.other.load().count;
    if (ledger.unfinished(put) <= 1) put = queues::put_so_far(queue);
    marked = ledger.mark_done(put);
    last = ledger.unfinished(put) == 0;
  }
  if (!marked) {
    throw ValueError(
        fmt::format("{}: task_done() called more often than items were put", local_->name()));
  }
  if (last) ledger.gate.notify_all();
}

void lose_items(const Handle& joinable, std::uint32_t items, pid_t pid, std::string_view name) {
  auto& queue = joinable.as<QueueObject>();
  {
    const SideGuard guard(queue, queue.consumers, queues::settle_consumers, os::Deadline::never());
    queue.ledger()->lose(items, pid, name, queues::put_so_far(queue));
  }
  queue.ledger()->gate.notify_all();
}

bool ByteQueue::join(Timeout timeout) const {
  QueueObject& queue = local_->object;
  Ledger& ledger = *queue.ledger();
  const os::Deadline deadline = os::Deadline::after(timeout);
  const std::uint32_t told = ledger.told.load(std::memory_order_acquire);
  for (;;) {
    SideGuard guard(queue, queue.consumers, queues::settle_consumers, deadline);
    if (!guard.held()) return false;
    const std::uint32_t put = queues::put_so_far(queue);
    ledger.write_off_dead(put);
    const std::uint32_t lost = ledger.lost.load(std::memory_order_relaxed);
    if (lost != told) {
      ledger.told.store(lost, std::memory_order_release);
      const pid_t pid = ledger.lost_pid;
      const std::string name = ledger.lost_name;
      guard.release();
      throw OwnerDiedError(pid, name, lost - told, local_->name());
    }
    if (ledger.unfinished(put) == 0) return true;
    guard.release();
    if (!ledger.gate.wait([&]() noexcept { return worth_a_look(queue, told); }, deadline))
      return false;
  }
}

}  // namespace multiprocessing::detail
