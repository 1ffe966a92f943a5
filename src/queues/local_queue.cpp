// SPDX-License-Identifier: BSL-1.0
#include "queues/local_queue.hpp"

#include <fmt/format.h>
#include <pthread.h>

#include <mutex>
#include <unordered_map>
#include <utility>

#include "os/first_use.hpp"

namespace multiprocessing::queues {
namespace {

struct Registry {
  std::mutex mutex;  // held across fork
  std::unordered_map<const void*, std::weak_ptr<LocalQueue>> queues;
};

Registry& registry() {
  static constinit os::FirstUse<Registry> one;
  return one.get([] {
    ::pthread_atfork([] { registry().mutex.lock(); }, [] { registry().mutex.unlock(); },
                     [] { registry().mutex.unlock(); });
    return Registry();
  });
}

}  // namespace

std::shared_ptr<LocalQueue> LocalQueue::of(detail::Handle handle) {
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  std::weak_ptr<LocalQueue>& known = all.queues[handle.get()];
  auto local = known.lock();
  if (local == nullptr) {
    local = std::make_shared<LocalQueue>(std::move(handle));
    known = local;
  }
  return local;
}

LocalQueue::~LocalQueue() {
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  // Another may have been made for the same queue since the last handle to this one went.
  const auto found = all.queues.find(&object);
  if (found != all.queues.end() && found->second.expired()) all.queues.erase(found);
}

std::string LocalQueue::name() const {
  switch (object.flavour) {
    case QueueObject::Flavour::kSimple:
      return "SimpleQueue";
    case QueueObject::Flavour::kJoinable:
      return fmt::format("JoinableQueue(maxsize={})", object.maxsize);
    case QueueObject::Flavour::kQueue:
      break;
  }
  return fmt::format("Queue(maxsize={})", object.maxsize);
}

}  // namespace multiprocessing::queues
