// SPDX-License-Identifier: BSL-1.0
#include "sharedctypes/block_names.hpp"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>

#include "memory/arena.hpp"
#include "memory/layout.hpp"
#include "memory/reference_word.hpp"
#include "os/first_use.hpp"
#include "os/log.hpp"
#include "sharedctypes/block_file.hpp"
#include "sync/lock_word.hpp"

namespace multiprocessing::sharedctypes {
namespace {

using memory::Serial;

struct Entry {
  memory::Offset next;  // never changed once it is linked; entries are used again, not freed
  Serial creator;
  std::atomic<ino_t> inode;
  ManagerId manager;
  char name[kBlockNameMax + 1];
};

std::atomic<void (*)()> prepare_end{nullptr};

/// The entries, under the lock.
class Entries {
 public:
  Entries() : control_(memory::mapping().control()), guard_(acquired()) { settle(); }

  [[nodiscard]] Entry* first() const noexcept { return at(control_.block_names.load()); }
  [[nodiscard]] static Entry* next(const Entry& entry) noexcept { return at(entry.next); }

  [[nodiscard]] Entry* find(ino_t inode) const noexcept {
    Entry* entry = first();
    while (entry != nullptr && entry->inode.load() != inode) entry = next(*entry);
    return entry;
  }

  [[nodiscard]] Entry& free_one() const {
    if (Entry* const entry = find(0)) return *entry;
    if (Entry* const entry = find_left()) return *entry;
    auto* const made = ::new (memory::allocate(sizeof(Entry))) Entry{};
    made->next = control_.block_names.load();
    control_.block_names_intent.store(memory::name_of(made));
    memory::publish(made);
    settle();
    return *made;
  }

  template <class Condition> void unlink_where(const Condition& condition) const noexcept {
    for (Entry* entry = first(); entry != nullptr; entry = next(*entry)) {
      const ino_t inode = entry->inode.load();
      if (inode == 0 || !condition(*entry)) continue;
      // Another that is to remove it may have been stopped: then a later end has to.
      if (!unlink_file(entry->name, inode) && errno == ETIMEDOUT) continue;
      entry->inode.store(0);
    }
  }

 private:
  // Of a dead process, whose block others have unlinked.
  [[nodiscard]] Entry* find_left() const noexcept {
    for (Entry* entry = first(); entry != nullptr; entry = next(*entry)) {
      if (!memory::dead(entry->creator) || is_named(entry->name, entry->inode.load())) continue;
      entry->inode.store(0);
      return entry;
    }
    return nullptr;
  }

  // Links the entry that is being added, if it is published. One that is not is its maker's, and
  // swept when that one is dead.
  void settle() const noexcept {
    const std::uint64_t name = control_.block_names_intent.load();
    if (name == 0) return;
    auto* const made = memory::block_of<Entry>(name);
    if (memory::names_live_block(name) && memory::owner(made) == memory::kShared)
      control_.block_names.store(memory::offset_of(made));
    control_.block_names_intent.store(0);
  }

  [[nodiscard]] static Entry* at(memory::Offset offset) noexcept {
    return offset == 0 ? nullptr : memory::at_as<Entry>(offset);
  }
  [[nodiscard]] sync::RawLock& acquired() const {
    auto& lock = reinterpret_cast<sync::RawLock&>(control_.block_names_lock);
    static_cast<void>(lock.acquire());
    return lock;
  }

  memory::Control& control_;
  sync::RawLockGuard guard_;
};

// Once in the first process of a program; its forked children have inherited it.
void prepare() {
  static constinit os::FirstUse<const bool> prepared;
  static_cast<void>(prepared.get([] {
    if (auto* const f = prepare_end.load())
      f();
    else
      std::atexit([] { remove_names_at_end(); });
    return true;
  }));
}

template <class F> void without_throwing(const F& f) noexcept {
  try {
    f();
  } catch (const std::exception& error) {
    os::log_warning(error.what());
  }
}

}  // namespace

void before_first_name(void (*f)()) noexcept { prepare_end.store(f); }

void enter_name(std::string_view name, ino_t inode, ManagerId manager) {
  prepare();
  const Entries entries;
  Entry& entry = entries.free_one();
  entry.creator = memory::self();
  entry.manager = manager;
  std::memcpy(entry.name, name.data(), name.size());
  entry.name[name.size()] = '\0';
  entry.inode.store(inode);
}

void leave_name(ino_t inode) noexcept {
  without_throwing([&] {
    if (Entry* const entry = Entries().find(inode)) entry->inode.store(0);
  });
}

void remove_names_of(ManagerId manager) noexcept {
  without_throwing([&] {
    Entries().unlink_where([&](const Entry& entry) { return entry.manager == manager; });
  });
}

void remove_names_at_end() noexcept {
  // A program that has no arena has named no block.
  if (!memory::ever_attached()) return;
  without_throwing([] {
    // Most programs name none.
    const memory::Control& control = *memory::mapping().near;
    if (control.block_names.load() == 0 && control.block_names_intent.load() == 0) return;
    const Serial self = memory::self();
    const Serial first = control.first.load();
    if (first != self && !memory::dead(first)) return;
    Entries().unlink_where(
        [&](const Entry& entry) { return entry.creator == self || memory::dead(entry.creator); });
  });
}

}  // namespace multiprocessing::sharedctypes
