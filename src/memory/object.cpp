// SPDX-License-Identifier: BSL-1.0
// This process's references: one word in each object for all of its handles to it.
//
// Fork: the child's handles are copies without words. Before anything else runs in the child it
// takes words of its own; until it did, the parent's words protect the objects: the parent puts off
// its drops, and if it is killed its words still count for a while (references_dead).
#include "memory/object.hpp"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <memory>
#include <multiprocessing/errors.hpp>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "memory/layout.hpp"
#include "memory/object_life.hpp"
#include "memory/reference_word.hpp"
#include "os/first_use.hpp"

namespace multiprocessing::memory {
namespace {

constexpr std::int64_t kNurseryNs = 10'000'000'000;

struct LocalReference {
  explicit LocalReference(ObjectHeader* of) noexcept : object(of) {}
  ObjectHeader* object;           // null: it came to nothing
  ReferenceWord* word = nullptr;  // guarded by the registry's mutex
  ~LocalReference();
};

struct Known {
  LocalReference* reference;
  std::weak_ptr<void> handle;
};

// A forked child that may live on its parent's references still.
struct Birth {
  std::uint64_t number;
  AdoptionWord* word;  // null: forked by the program itself, so nobody says when it is dead
  std::int64_t until;  // such a child has adopted by then, or died
};

struct Drop {
  ObjectHeader* object;
  ReferenceWord* word;
  std::uint64_t births;  // it waits for those up to this number
};

// The two counts in Slot::unadopted.
constexpr std::uint32_t kWithWord = 0x1'0000;
constexpr std::uint32_t kWithoutWord = 1;
constexpr std::uint32_t kWithoutWordMask = 0xFFFF;

// What stands in an AdoptionWord. Who changes kPending takes the child off the count in the slot,
// which is for the other processes: a child killed just between the two leaves it too high, and
// that ends with the nursery.
constexpr std::uint32_t kPending = 1;
constexpr std::uint32_t kSettled = 2;
thread_local AdoptionWord* adoption_word = nullptr;

struct Registry {
  std::mutex mutex;  // held across fork
  std::unordered_map<ObjectHeader*, Known> known;
  std::vector<Birth> births;   // in the order of their numbers
  std::vector<Drop> deferred;  // in the order of the births that they wait for
  std::uint64_t last_birth = 0;
  std::exception_ptr adoption_error;  // why this process has no references of its own
  bool forking_from_here = false;
};

void register_fork_handlers();

std::atomic<bool> registry_made{false};

Registry& registry() {
  static constinit os::FirstUse<Registry> one;
  return one.get([] {
    register_fork_handlers();
    registry_made.store(true);
    return Registry();
  });
}

bool over(const Birth& birth, const Slot& slot) noexcept {
  if (birth.word != nullptr) return birth.word->load() != kPending;
  return (slot.unadopted.load() & kWithoutWordMask) == 0 || os::now_ns() > birth.until;
}

// REQUIRES: the registry's mutex is held.
bool child_unadopted(Registry& all) noexcept {
  if (all.births.empty()) return false;
  Slot& slot = mapping().slot_of(self());
  std::erase_if(all.births, [&](const Birth& birth) { return over(birth, slot); });
  return !all.births.empty();
}

void drop_now(const Drop& drop) noexcept { drop_reference(*drop.object, drop.word, 0); }

LocalReference::~LocalReference() {
  if (object == nullptr) return;
  Registry& all = registry();
  Drop drop{object, word, 0};
  {
    const std::lock_guard guard(all.mutex);
    const auto found = all.known.find(object);
    if (found != all.known.end() && found->second.reference == this) all.known.erase(found);
    if (word == nullptr) return;
    if (child_unadopted(all)) {
      drop.births = all.births.back().number;
      all.deferred.push_back(drop);
      return;
    }
  }
  drop_now(drop);
  flush_deferred_drops();
  if (mapping().control().sweep_requested.load(std::memory_order_relaxed) != 0) sweep();
}

// Takes a word in the object by `attach`, which may give none: then there is no handle.
// REQUIRES: the registry's mutex is held.
template <class Attach> Handle remember(Registry& all, ObjectHeader& object, const Attach& attach) {
  const auto place = all.known.try_emplace(&object).first;
  std::shared_ptr<LocalReference> reference;
  try {
    reference = std::make_shared<LocalReference>(&object);
    std::shared_ptr<void> handle(reference, &object);
    reference->word = attach();
    if (reference->word != nullptr) {
      place->second = {reference.get(), handle};
      return Handle(std::move(handle));
    }
  } catch (...) {
    // Else its end would take the mutex.
    if (reference != nullptr) reference->object = nullptr;
    all.known.erase(place);
    throw;
  }
  reference->object = nullptr;
  all.known.erase(place);
  return {};
}

// REQUIRES: the registry's mutex is held.
std::shared_ptr<void> known_handle(const Registry& all, ObjectHeader& object) {
  const auto found = all.known.find(&object);
  return found == all.known.end() ? nullptr : found->second.handle.lock();
}

// Says under which serial of this process the child is counted.
// REQUIRES: the registry's mutex is held.
Serial expect_child(Registry& all, AdoptionWord* word) {
  // What stood in the word of an earlier child is of no interest any more.
  static_cast<void>(child_unadopted(all));
  const Serial own = self();
  Slot& slot = mapping().slot_of(own);
  const std::int64_t now = os::now_ns();
  if (all.births.empty() && now > slot.nursery_until.load()) slot.unadopted.store(0);
  slot.nursery_until.store(now + kNurseryNs);
  slot.unadopted.fetch_add(word != nullptr ? kWithWord : kWithoutWord);
  if (word != nullptr) word->store(kPending);
  all.births.push_back({++all.last_birth, word, now + kNurseryNs});
  return own;
}

Serial forking_parent = kNobody;  // written before, read after the fork, under the registry's mutex

void before_fork() {
  Registry& all = registry();
  all.mutex.lock();
  all.forking_from_here = !all.known.empty();
  // Not asked for once more: a thread that ends may have let the identity go since.
  forking_parent = all.forking_from_here ? expect_child(all, adoption_word) : kNobody;
}

void after_fork_in_parent() { registry().mutex.unlock(); }

void count_off(Serial parent, std::uint32_t one) noexcept {
  Slot& slot = mapping().slot_of(parent);
  std::uint32_t left = slot.serial.load() == parent ? slot.unadopted.load() : 0;
  const std::uint32_t mask = one == kWithWord ? ~kWithoutWordMask : kWithoutWordMask;
  while ((left & mask) != 0 && !slot.unadopted.compare_exchange_weak(left, left - one)) {
  }
}

bool settle(AdoptionWord& word) noexcept {
  std::uint32_t pending = kPending;
  return word.compare_exchange_strong(pending, kSettled);
}

void adopt_all(Registry& all, Serial parent) {
  const Serial own = self();
  // One whose last handle was being let go by a thread that this process does not have.
  std::erase_if(all.known, [](const auto& entry) { return entry.second.handle.expired(); });
  for (auto& [object, known] : all.known) known.reference->word = add_reference(*object, own);
  if (adoption_word == nullptr) {
    count_off(parent, kWithoutWord);
  } else if (settle(*adoption_word)) {
    count_off(parent, kWithWord);
  }
}

// A child for which there is no room lives on its parent's references, as long as the parent waits
// for it: long enough for exec, or to say what is wrong.
void after_fork_in_child(Serial parent) {
  Registry& all = registry();
  all.deferred.clear();  // the parent's
  all.births.clear();
  all.adoption_error = nullptr;
  if (all.forking_from_here) {
    try {
      adopt_all(all, parent);
    } catch (const Error&) {
      all.adoption_error = std::current_exception();
      // The parent's words are not this process's to drop.
      const Serial own = identity_state::self_word.load(std::memory_order_acquire)->load();
      for (auto& [object, known] : all.known) {
        ReferenceWord*& word = known.reference->word;
        if (own == kNobody || (word != nullptr && word->load() != own)) word = nullptr;
      }
    }
  }
  adoption_word = nullptr;
  all.mutex.unlock();
}

void register_fork_handlers() {
  // Before those below, so that these find the identity usable, before and after the fork.
  keep_identity_across_forks();
  ::pthread_atfork(before_fork, after_fork_in_parent, [] { after_fork_in_child(forking_parent); });
}

}  // namespace

void request_sweep() noexcept { mapping().control().sweep_requested.store(1); }

void expect_adoption_in(AdoptionWord* word) noexcept { adoption_word = word; }

void forget_child(AdoptionWord& word) noexcept {
  if (settle(word)) count_off(self(), kWithWord);
}

void expect_adoption_by_message(AdoptionWord& word) {
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  static_cast<void>(expect_child(all, &word));
}

void note_adopted(AdoptionWord& word, Serial parent) noexcept {
  if (settle(word)) count_off(parent, kWithWord);
}

void flush_deferred_drops() noexcept {
  Registry& all = registry();
  std::vector<Drop> ready;
  {
    const std::lock_guard guard(all.mutex);
    if (all.deferred.empty()) return;
    auto end = all.deferred.end();
    if (child_unadopted(all)) {
      const std::uint64_t first = all.births.front().number;
      end = std::find_if(all.deferred.begin(), end,
                         [&](const Drop& drop) { return drop.births >= first; });
    }
    ready.assign(all.deferred.begin(), end);
    all.deferred.erase(all.deferred.begin(), end);
  }
  for (const Drop& drop : ready) drop_now(drop);
}

Handle create_object(ObjectKind kind, std::size_t bytes, std::size_t zeroed,
                     void (*init)(void*, void*), void* context) {
  flush_deferred_drops();
  void* block = allocate(bytes, BlockKind::kObject, zeroed);
  auto& object = *static_cast<ObjectHeader*>(block);
  try {
    init(block, context);
  } catch (...) {
    deallocate(block);
    throw;
  }
  object.kind = kind;
  try {
    Registry& all = registry();
    const std::lock_guard guard(all.mutex);
    Handle handle = remember(all, object, [&] { return attach_reference(object, self()); });
    publish(block);
    return handle;
  } catch (...) {
    // Not by deallocate: what it was set up with may be pinned by it.
    end_object(object, nullptr);
    throw;
  }
}

Handle adopt(Offset offset) {
  flush_deferred_drops();
  auto& object = *at_as<ObjectHeader>(offset);
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  if (auto handle = known_handle(all, object)) return Handle(std::move(handle));
  return remember(all, object, [&] { return add_reference(object, self()); });
}

ObjectName name_of(const Handle& handle) noexcept { return name_of(handle.get()); }

Handle adopt_if_alive(ObjectName name) {
  flush_deferred_drops();
  auto& object = *block_of<ObjectHeader>(name);
  Registry& all = registry();
  std::shared_ptr<void> handle;  // may be the last one: let go without the mutex
  const std::lock_guard guard(all.mutex);
  handle = known_handle(all, object);
  if (handle != nullptr) return names_live_block(name) ? Handle(std::move(handle)) : Handle();
  return remember(all, object, [&] { return add_reference_if_alive(name, self()); });
}

void pin(ObjectHeader& object, const void* holder) { add_reference(object, name_of(holder)); }

void unpin(ObjectHeader& object, const void* holder) noexcept {
  drop_reference(object, nullptr, name_of(holder));
}

void require_adoption() {
  if (!registry_made.load()) return;
  std::exception_ptr error;
  {
    const std::lock_guard guard(registry().mutex);
    error = registry().adoption_error;
  }
  if (error) std::rethrow_exception(error);
}

bool children_depend_on_references() noexcept {
  if (!registry_made.load()) return false;
  const std::lock_guard guard(registry().mutex);
  return child_unadopted(registry());
}

void drop_all_references() noexcept {
  if (!registry_made.load() || children_depend_on_references()) return;
  Registry& all = registry();
  std::vector<Drop> drops;
  {
    const std::lock_guard guard(all.mutex);
    drops.swap(all.deferred);
    for (auto& [object, known] : all.known) {
      if (known.reference->word != nullptr) drops.push_back({object, known.reference->word, 0});
      known.reference->word = nullptr;
    }
    all.known.clear();
  }
  for (const Drop& drop : drops) drop_now(drop);
}

}  // namespace multiprocessing::memory
