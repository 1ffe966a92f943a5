// SPDX-License-Identifier: BSL-1.0
#include "queues/queue_object.hpp"

#include "queues/consumer.hpp"
#include "queues/ledger.hpp"
#include "queues/segments.hpp"
#include "queues/side_guard.hpp"

namespace multiprocessing::queues {
namespace {

// Nobody refers to the queue any more. Locks that dead processes hold are of no matter, but what
// they had begun is; and if this process dies in here, another one begins anew.
void finalize(memory::ObjectHeader& object) {
  auto& queue = static_cast<QueueObject&>(object);
  settle_producers(queue);
  settle_consumers(queue);
  drain(queue);
  free_row(queue);
}

const bool finalizer_registered = (memory::register_finalizer(QueueObject::kKind, finalize), true);

}  // namespace

memory::Handle make_queue(QueueObject::Flavour flavour, std::uint32_t maxsize) {
  // Once more, for a queue that a static initialiser of another file makes.
  if (!finalizer_registered) memory::register_finalizer(QueueObject::kKind, finalize);
  if (flavour == QueueObject::Flavour::kJoinable) {
    return memory::make_object<JoinableQueueObject>(maxsize);
  }
  return memory::make_object<QueueObject>(flavour, maxsize);
}

}  // namespace multiprocessing::queues
