// SPDX-License-Identifier: BSL-1.0
// Reference words: who keeps an object alive, and what becomes of it when nobody does.
#include <sched.h>

#include <array>
#include <cassert>

#include "memory/block_allocator.hpp"
#include "memory/object_life.hpp"
#include "memory/reference_word.hpp"
#include "memory/segment.hpp"

namespace multiprocessing::memory {
namespace {

constexpr std::size_t kFinalizers = static_cast<std::size_t>(ObjectKind::kCount);
std::array<Finalizer, kFinalizers> finalizers{};  // set before main or by the first use of a kind

// More reference words than fit into the header. It belongs to its maker until it is linked, so a
// dead maker's extension is either reachable from its object, or of no use.
struct Extension {
  std::uint64_t object;  // BlockName of the object that it belongs to
  std::atomic<Offset> more;
  ReferenceWord words[14];
};
static_assert(sizeof(Extension) == 128);

bool counts(std::uint64_t word) noexcept {
  if (word == 0) return false;
  if ((word & kBlockTag) == 0) return !references_dead(static_cast<Serial>(word));
  return names_live_block(word);
}

// Calls visit(words, count) for the header's words and each extension's until it says true.
template <class Visit> bool visit_words(ObjectHeader& object, Visit visit) {
  if (visit(object.references, ObjectHeader::kInline)) return true;
  for (Offset next = object.more.load(std::memory_order_acquire); next != 0;) {
    auto& extension = *at_as<Extension>(next);
    if (visit(extension.words, std::size(extension.words))) return true;
    next = extension.more.load(std::memory_order_acquire);
  }
  return false;
}

ReferenceWord* find_word(ObjectHeader& object, std::uint64_t value) noexcept {
  ReferenceWord* found = nullptr;
  visit_words(object, [&](ReferenceWord* words, std::size_t count) {
    for (std::size_t i = 0; i < count && found == nullptr; ++i) {
      if (words[i].load() == value) found = &words[i];
    }
    return found != nullptr;
  });
  return found;
}

ReferenceWord* take_word(ObjectHeader& object, std::uint64_t value) noexcept {
  ReferenceWord* taken = nullptr;
  visit_words(object, [&](ReferenceWord* words, std::size_t count) {
    for (std::size_t i = 0; i < count && taken == nullptr; ++i) {
      std::uint64_t seen = words[i].load();
      if (!counts(seen) && words[i].compare_exchange_strong(seen, value)) taken = &words[i];
    }
    return taken != nullptr;
  });
  return taken;
}

std::atomic<Offset>& last_link(ObjectHeader& object) noexcept {
  std::atomic<Offset>* link = &object.more;
  while (const Offset next = link->load(std::memory_order_acquire)) {
    link = &at_as<Extension>(next)->more;
  }
  return *link;
}

void add_extension(ObjectHeader& object) {
  auto* extension = static_cast<Extension*>(allocate_for_references(sizeof(Extension)));
  ::new (extension) Extension{};
  extension->object = name_of(&object);
  set_block_kind(extension, BlockKind::kExtension);
  Offset none = 0;
  while (!last_link(object).compare_exchange_strong(none, offset_of(extension))) none = 0;
  publish(extension);
}

bool reachable(ObjectHeader& object, const Extension* extension) noexcept {
  for (Offset next = object.more.load(); next != 0; next = at_as<Extension>(next)->more.load()) {
    if (at_as<Extension>(next) == extension) return true;
  }
  return false;
}

// REQUIRES: this process owns the object. An extension leaves the chain before it is freed, so
// whoever takes over from a dead process finds a chain of live ones.
void free_extensions(ObjectHeader& object) noexcept {
  while (const Offset first = object.more.load()) {
    auto* extension = at_as<Extension>(first);
    OwnerWord& word = blocks().owner_word(extension);
    std::uint64_t value = word.load();
    const Serial owner = owner_in(value);
    // A sweeper that holds it gives it back as soon as it sees that the object is held.
    if (owner != kShared && !dead(owner)) {
      ::sched_yield();
      continue;
    }
    if (!word.compare_exchange_strong(value, with_owner(value, self()))) continue;
    object.more.store(extension->more.load());
    blocks().deallocate(extension);
  }
}

}  // namespace

void register_finalizer(ObjectKind kind, Finalizer finalizer) noexcept {
  finalizers[static_cast<std::size_t>(kind)] = finalizer;
}

bool has_reference(ObjectHeader& object, const ReferenceWord* except) noexcept {
  return visit_words(object, [&](ReferenceWord* words, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      if (&words[i] != except && counts(words[i].load())) return true;
    }
    return false;
  });
}

// Another may end the object meanwhile and fill its memory anew: then the owner word has changed,
// which the caller sees when it takes it. ThreadSanitizer sees the filling alone.
__attribute__((no_sanitize("thread"))) bool seems_referenced(const ObjectHeader& object) noexcept {
  for (const ReferenceWord& word : object.references) {
    if (counts(word.load())) return true;
  }
  return false;
}

bool end_object(ObjectHeader& object, ReferenceWord* own) noexcept {
  if (has_reference(object, own)) {
    if (own != nullptr) own->store(0);
    publish(&object);
    return false;
  }
  if (own != nullptr) own->store(0);
  if (const Finalizer finalizer = finalizers[static_cast<std::size_t>(object.kind)]) {
    finalizer(object);
  }
  free_extensions(object);
  blocks().deallocate(&object);
  return true;
}

bool dispose_extension(void* block, OwnerWord& word, Serial former) noexcept {
  auto* extension = static_cast<Extension*>(block);
  const std::uint64_t name = extension->object;
  auto& object = *block_of<ObjectHeader>(name);
  OwnerWord* const object_word = blocks().owner_word_of_live(&object);
  std::uint64_t seen = object_word == nullptr ? 0 : object_word->load();
  const Serial owner = owner_in(seen);
  // The word that is looked at is the one that is changed: memory of an object that ends meanwhile
  // becomes anything.
  if (owner == kNobody || kind_in(seen) != BlockKind::kObject ||
      generation_in(seen) != generation_in_name(name)) {
    blocks().deallocate(extension);
    return true;
  }
  const bool free_to_take = owner == kShared || dead(owner);
  if (!free_to_take || !object_word->compare_exchange_strong(seen, with_owner(seen, self()))) {
    // Who holds the object may be about to free this extension: leave it to the next sweep.
    word.store(with_owner(word.load(), former));
    request_sweep();
    return false;
  }
  const bool linked = reachable(object, extension);
  if (linked) {
    publish(extension);
  } else {
    blocks().deallocate(extension);
  }
  end_object(object, nullptr);
  return !linked;
}

namespace {

// Waits while somebody looks whether the object may end, another thread of this process too; takes
// over from one who died in it.
void await_verdict(ObjectHeader& object) noexcept {
  OwnerWord& word = blocks().owner_word(&object);
  for (;;) {
    std::uint64_t value = word.load();
    const Serial owner = owner_in(value);
    if (owner == kShared) return;
    if (dead(owner) && word.compare_exchange_strong(value, with_owner(value, self()))) {
      end_object(object, nullptr);
      return;
    }
    ::sched_yield();
  }
}

// Owns the object of that name, as who looks whether it may end does. False: it has ended.
bool hold_named(ObjectHeader& object, ObjectName name) noexcept {
  while (OwnerWord* const word = blocks().owner_word_of_live(&object)) {
    std::uint64_t seen = word->load();
    const Serial owner = owner_in(seen);
    const bool same = generation_in(seen) == generation_in_name(name);
    if (!same || kind_in(seen) != BlockKind::kObject || owner == kNobody) return false;
    if (owner != kShared && !dead(owner)) {
      ::sched_yield();
      continue;
    }
    if (!word->compare_exchange_strong(seen, with_owner(seen, self()))) continue;
    if (owner == kShared) return true;
    // It may have died half-way through the end.
    end_object(object, nullptr);
  }
  return false;
}

}  // namespace

ReferenceWord* attach_reference(ObjectHeader& object, std::uint64_t value) {
  for (;;) {
    if (ReferenceWord* word = take_word(object, value)) return word;
    add_extension(object);
  }
}

ReferenceWord* add_reference(ObjectHeader& object, std::uint64_t value) {
  ReferenceWord* const word = attach_reference(object, value);
  await_verdict(object);
  return word;
}

ReferenceWord* add_reference_if_alive(ObjectName name, std::uint64_t value) {
  auto& object = *block_of<ObjectHeader>(name);
  if (!hold_named(object, name)) return nullptr;
  try {
    ReferenceWord* const word = attach_reference(object, value);
    publish(&object);
    return word;
  } catch (...) {
    end_object(object, nullptr);
    throw;
  }
}

void drop_reference(ObjectHeader& object, ReferenceWord* own, std::uint64_t value) noexcept {
  for (;;) {
    OwnerWord* word = blocks().owner_word_of_live(&object);
    if (word == nullptr) return;
    std::uint64_t seen = word->load();
    if (kind_in(seen) != BlockKind::kObject) return;
    const Serial owner = owner_in(seen);
    if (owner == kNobody) return;
    if (owner != kShared && !dead(owner)) {
      ::sched_yield();
      continue;
    }
    if (!word->compare_exchange_strong(seen, with_owner(seen, self()))) continue;
    end_object(object, own != nullptr ? own : find_word(object, value));
    return;
  }
}

}  // namespace multiprocessing::memory
