// SPDX-License-Identifier: BSL-1.0
// This process's references: one word in each object for all of its handles to it.
//
// Fork: the child's handles are copies without words. Before anything else runs in the child it
// takes words of its own; until it did, the parent's words protect the objects: the parent puts off
// its drops, and if it is killed its words still count for a while (references_dead).
#include "memory/object.hpp"

#include <pthread.h>

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "memory/layout.hpp"
#include "memory/object_life.hpp"
#include "memory/reference_word.hpp"

namespace multiprocessing::memory {
namespace {

constexpr std::int64_t kNurseryNs = 10'000'000'000;

struct LocalReference {
  LocalReference(ObjectHeader* of, ReferenceWord* in) noexcept : object(of), word(in) {}
  ObjectHeader* object;
  ReferenceWord* word;  // guarded by the registry's mutex
  ~LocalReference();
};

struct Known {
  LocalReference* reference;
  std::weak_ptr<void> handle;
};

struct Drop {
  ObjectHeader* object;
  ReferenceWord* word;
};

struct Registry {
  std::mutex mutex;  // held across fork
  std::unordered_map<ObjectHeader*, Known> known;
  std::vector<Drop> deferred;
  bool forking_from_here = false;
};

void register_fork_handlers();

std::atomic<bool> registry_made{false};

// Never destroyed: handles may be globals that end after any static of this file.
Registry& registry() {
  static Registry* const instance = [] {
    register_fork_handlers();
    registry_made.store(true);
    return new Registry;
  }();
  return *instance;
}

bool child_unadopted() noexcept {
  Slot& slot = mapping().slot_of(self());
  if (slot.unadopted.load() == 0) return false;
  if (os::now_ns() <= slot.nursery_until.load()) return true;
  slot.unadopted.store(0);  // a child that died before it could adopt
  return false;
}

void drop_now(const Drop& drop) noexcept { drop_reference(*drop.object, drop.word, 0); }

LocalReference::~LocalReference() {
  Registry& all = registry();
  const Drop drop{object, word};
  {
    const std::lock_guard guard(all.mutex);
    const auto found = all.known.find(object);
    if (found != all.known.end() && found->second.reference == this) all.known.erase(found);
    if (word == nullptr) return;
    if (child_unadopted()) {
      all.deferred.push_back(drop);
      return;
    }
  }
  drop_now(drop);
  flush_deferred_drops();
  if (mapping().control().sweep_requested.load(std::memory_order_relaxed) != 0) sweep();
}

Handle remember(Registry& all, ObjectHeader& object, ReferenceWord* word) {
  auto reference = std::make_shared<LocalReference>(&object, word);
  std::shared_ptr<void> handle(reference, &object);
  all.known[&object] = {reference.get(), handle};
  return Handle(std::move(handle));
}

void before_fork() {
  Registry& all = registry();
  all.mutex.lock();
  all.forking_from_here = !all.known.empty();
  if (all.forking_from_here) {
    Slot& slot = mapping().slot_of(self());
    slot.nursery_until.store(os::now_ns() + kNurseryNs);
    slot.unadopted.fetch_add(1);
  }
  lock_identity();
}

void after_fork_in_parent() {
  unlock_identity();
  registry().mutex.unlock();
}

void after_fork_in_child(Serial parent) {
  unlock_identity();
  Registry& all = registry();
  all.deferred.clear();  // the parent's
  if (all.forking_from_here) {
    const Serial own = self();
    for (auto& [object, known] : all.known) {
      known.reference->word = add_reference(*object, own);
    }
    Slot& slot = mapping().slot_of(parent);
    std::uint32_t left = slot.serial.load() == parent ? slot.unadopted.load() : 0;
    while (left != 0 && !slot.unadopted.compare_exchange_weak(left, left - 1)) {
    }
  }
  all.mutex.unlock();
}

Serial forking_parent = kNobody;  // written before, read after the fork, under the registry's mutex

void register_fork_handlers() {
  ::pthread_atfork(
      [] {
        before_fork();
        forking_parent = registry().forking_from_here
                             ? identity_state::self_word->load(std::memory_order_relaxed)
                             : kNobody;
      },
      [] { after_fork_in_parent(); }, [] { after_fork_in_child(forking_parent); });
}

}  // namespace

void request_sweep() noexcept { mapping().control().sweep_requested.store(1); }

void flush_deferred_drops() noexcept {
  Registry& all = registry();
  std::vector<Drop> ready;
  {
    const std::lock_guard guard(all.mutex);
    if (all.deferred.empty() || child_unadopted()) return;
    ready.swap(all.deferred);
  }
  for (const Drop& drop : ready) drop_now(drop);
}

Handle create_object(ObjectKind kind, std::size_t bytes, void (*init)(void*, void*),
                     void* context) {
  flush_deferred_drops();
  void* block = allocate(bytes, BlockKind::kObject);
  auto& object = *static_cast<ObjectHeader*>(block);
  try {
    init(block, context);
  } catch (...) {
    deallocate(block);
    throw;
  }
  object.kind = kind;
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  Handle handle = remember(all, object, add_reference(object, self()));
  publish(block);
  return handle;
}

Handle adopt(Offset offset) {
  flush_deferred_drops();
  auto& object = *at_as<ObjectHeader>(offset);
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  if (const auto found = all.known.find(&object); found != all.known.end()) {
    if (auto handle = found->second.handle.lock()) return Handle(std::move(handle));
  }
  return remember(all, object, add_reference(object, self()));
}

void pin(ObjectHeader& object, const void* holder) { add_reference(object, name_of(holder)); }

void unpin(ObjectHeader& object, const void* holder) noexcept {
  drop_reference(object, nullptr, name_of(holder));
}

void drop_all_references() noexcept {
  if (!registry_made.load()) return;
  Registry& all = registry();
  std::vector<Drop> drops;
  {
    const std::lock_guard guard(all.mutex);
    drops.swap(all.deferred);
    for (auto& [object, known] : all.known) {
      if (known.reference->word != nullptr) drops.push_back({object, known.reference->word});
      known.reference->word = nullptr;
    }
    all.known.clear();
  }
  for (const Drop& drop : drops) drop_now(drop);
}

}  // namespace multiprocessing::memory
