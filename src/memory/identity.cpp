// SPDX-License-Identifier: BSL-1.0
#include "memory/identity.hpp"

#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <multiprocessing/errors.hpp>
#include <mutex>
#include <new>

#include "memory/layout.hpp"
#include "os/first_use.hpp"

namespace multiprocessing::memory {

namespace identity_state {
std::atomic<std::atomic<std::uint32_t>*> self_word{nullptr};
}

namespace {

constexpr std::int64_t kBlindPollNs = 5'000'000;  // where the kernel cannot wait on two words
constexpr std::uint32_t kTid = FUTEX_TID_MASK;

std::atomic<bool> attached_once{false};

std::mutex identity_mutex;  // held across fork
// Guarded by identity_mutex; ends with a zero. As Python calls the first process of a program.
char own_name[sizeof Slot::name] = "MainProcess";

// On a page that the kernel wipes in a forked child, also one of a raw clone.
struct Page {
  std::atomic<std::uint32_t> self;  // 0: ask attach()
  std::atomic<std::uint32_t>
      held;  // the serial of this process, also while no thread holds its life word
};

Page& page() {
  static constinit os::FirstUse<Page* const> one;
  return *one.get([] {
    void* memory =
        ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    ::madvise(memory, 4096, MADV_WIPEONFORK);
    return ::new (memory) Page{};
  });
}

// When the process started, in clock ticks since boot (field 22 of its stat file).
std::uint64_t start_time_of(std::int32_t pid) noexcept {
  try {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    std::getline(file, text);
    std::size_t at = text.rfind(')');
    for (int field = 2; field < 22 && at != std::string::npos; ++field) at = text.find(' ', at + 1);
    return at == std::string::npos ? 0 : std::stoull(text.substr(at + 1));
  } catch (const std::exception&) {
    return 0;
  }
}

// The second opinion on a process none of whose threads holds its life word.
bool ended_by_pid(Slot& slot) noexcept {
  const std::int32_t pid = slot.pid.load(std::memory_order_relaxed);
  const std::uint64_t started = slot.start_time.load(std::memory_order_relaxed);
  const int fd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return errno == ESRCH;
  pollfd entry{fd, POLLIN, 0};
  const bool ended = ::poll(&entry, 1, 0) == 1;
  ::close(fd);
  if (ended) return true;
  // Either may be unknown, where descriptors or /proc are missing; then the number alone counts.
  const std::uint64_t now = start_time_of(pid);
  return started != 0 && now != 0 && now != started;
}

bool let_go_in(std::uint32_t handed_over) noexcept { return handed_over % 2 != 0; }

// The life word is a robust mutex of one thread. When that thread ends before its process, the
// word is let go under handed_over, and the next thread that asks takes it again.
void let_go(Slot& slot) noexcept {
  slot.start_time.store(start_time_of(static_cast<std::int32_t>(::getpid())));
  slot.handed_over.fetch_add(1);
  ::pthread_mutex_unlock(&slot.life);
}

// Gets the serial under which the ending thread holds the word, or of a parent.
void let_go_with_thread(void* value) noexcept {
  const auto serial = static_cast<Serial>(reinterpret_cast<std::uintptr_t>(value));
  const std::lock_guard guard(identity_mutex);
  if (page().held.load(std::memory_order_relaxed) != serial) return;
  page().self.store(kNobody);
  let_go(mapping().slot_of(serial));
}

// By a key and not by a thread_local's destructor: those of other thread_locals, and of other keys,
// may use handles and so take the word again; a key that was set again is looked at again. And main
// that leaves by pthread_exit has no thread_locals destroyed.
pthread_key_t life_key() {
  static constinit os::FirstUse<const pthread_key_t> one;
  return one.get([] {
    pthread_key_t made{};
    if (::pthread_key_create(&made, let_go_with_thread) != 0) {
      throw RuntimeError("the shared arena: the program has no thread-specific key left");
    }
    return made;
  });
}

bool held(Slot& slot) noexcept {
  const std::uint32_t word = slot.life_word().load(std::memory_order_acquire);
  return (word & kTid) != 0 && (word & FUTEX_OWNER_DIED) == 0;
}

// Racing processes write the same value, so no lock is needed for the first use of a slot.
void prepare_life(Slot& slot) noexcept {
  static constinit os::FirstUse<const int> one;
  const int kind = one.get([] {
    pthread_mutexattr_t attributes;
    pthread_mutex_t model;
    ::pthread_mutexattr_init(&attributes);
    ::pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    ::pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    ::pthread_mutex_init(&model, &attributes);
    ::pthread_mutexattr_destroy(&attributes);
    return model.__data.__kind;
  });
  std::atomic_ref<int>(slot.life.__data.__kind).store(kind, std::memory_order_relaxed);
}

bool take_life(Slot& slot) noexcept {
  prepare_life(slot);
  const int result = ::pthread_mutex_trylock(&slot.life);
  if (result == EOWNERDEAD) ::pthread_mutex_consistent(&slot.life);
  return result == 0 || result == EOWNERDEAD;
}

bool worth_taking(Slot& slot) noexcept {
  if (held(slot)) return false;
  if (let_go_in(slot.handed_over.load()) && !ended_by_pid(slot)) return false;
  const Serial last = slot.serial.load();
  return last == kNobody || references_dead(last);
}

// The serial comes before pid and name: who asks for the former holder and finds those of this one
// then also finds another serial. A death on the way leaves the slot to the next comer, and a
// serial that nobody has heard of.
Serial settle(Slot& slot, std::uint32_t index) noexcept {
  slot.handed_over.store(0);
  slot.unadopted.store(0);
  slot.nursery_until.store(0);
  Serial next = (slot.serial.load() + kSlots) & ~kWaiters;
  if (next < kSlots) next += kSlots;
  next = static_cast<Serial>(next / kSlots * kSlots) + index;
  slot.serial.store(next);
  slot.pid.store(static_cast<std::int32_t>(::getpid()));
  std::memcpy(slot.name, own_name, sizeof slot.name);
  return next;
}

Serial take_slot() {
  const Mapping& arena = mapping();
  Control& control = arena.control();
  for (std::size_t tries = 0; tries < 4 * kSlots; ++tries) {
    const std::uint32_t index = control.next_slot.fetch_add(1) % kSlots;
    Slot& slot = arena.slot(index);
    if (!worth_taking(slot) || !take_life(slot)) continue;
    std::uint32_t high = control.high_slot.load();
    while (high <= index && !control.high_slot.compare_exchange_weak(high, index + 1)) {
    }
    return settle(slot, index);
  }
  throw RuntimeError("the process table is full: 4096 processes of this program are alive");
}

}  // namespace

void keep_identity_across_forks() noexcept {
  static const int registered =
      ::pthread_atfork([] { identity_mutex.lock(); }, [] { identity_mutex.unlock(); },
                       [] {
                         // Who asks then sees it without a look at the page.
                         identity_state::self_word.store(nullptr, std::memory_order_relaxed);
                         identity_mutex.unlock();
                       });
  static_cast<void>(registered);
}

namespace {
// Before main: then no thread can be in the middle of it while another one forks.
[[maybe_unused]] const bool kept_across_forks = (keep_identity_across_forks(), true);
}  // namespace

namespace {

// For as long as this thread lives. A raw clone cannot: the word has its parent's number, and the
// kernel knows of no words of its own.
void keep_life(Serial serial, pthread_key_t key) noexcept {
  Slot& slot = mapping().slot_of(serial);
  const bool by_this_thread =
      (slot.life_word().load() & kTid) == static_cast<std::uint32_t>(::gettid());
  void* const value = reinterpret_cast<void*>(std::uintptr_t{serial});
  if (!by_this_thread || ::pthread_setspecific(key, value) != 0) let_go(slot);
}

}  // namespace

Serial attach() {
  const std::lock_guard guard(identity_mutex);
  Page& own = page();
  identity_state::self_word.store(&own.self, std::memory_order_release);
  if (const Serial serial = own.self.load(); serial != kNobody) return serial;
  const pthread_key_t key = life_key();
  Serial serial = own.held.load();
  if (serial != kNobody) {
    Slot& slot = mapping().slot_of(serial);
    take_life(slot);
    slot.handed_over.fetch_add(1);
  } else {
    serial = take_slot();
    own.held.store(serial);
    Serial nobody = kNobody;
    mapping().control().first.compare_exchange_strong(nobody, serial);
  }
  own.self.store(serial);
  attached_once.store(true);
  keep_life(serial, key);
  return serial;
}

bool ever_attached() noexcept { return attached_once.load(); }

bool dead(Serial serial) noexcept {
  if (serial < kSlots) return false;
  Slot& slot = mapping().slot_of(serial);
  for (;;) {
    const std::uint32_t before = slot.handed_over.load();
    if (slot.serial.load(std::memory_order_acquire) != serial) return true;
    if (held(slot)) return false;
    // The word is only let go with a change of handed_over before it.
    if (slot.handed_over.load() == before) return !let_go_in(before) || ended_by_pid(slot);
  }
}

bool references_dead(Serial serial) noexcept {
  if (!dead(serial)) return false;
  Slot& slot = mapping().slot_of(serial);
  if (slot.serial.load() != serial) return true;
  return slot.unadopted.load() == 0 || os::now_ns() > slot.nursery_until.load();
}

ProcessInfo who(Serial serial) noexcept {
  if (serial < kSlots) return {};
  Slot& slot = mapping().slot_of(serial);
  ProcessInfo info{slot.pid.load()};
  static_assert(sizeof info.name == sizeof slot.name);
  std::memcpy(info.name, slot.name, sizeof info.name - 1);
  std::atomic_thread_fence(std::memory_order_acquire);
  if (slot.serial.load(std::memory_order_acquire) != serial) return {};
  return info;
}

void set_own_name(std::string_view name) {
  const std::lock_guard guard(identity_mutex);
  const std::size_t length = std::min(name.size(), sizeof own_name - 1);
  std::memcpy(own_name, name.data(), length);
  own_name[length] = '\0';
  if (identity_state::self_word.load(std::memory_order_acquire) == nullptr) return;
  const Serial serial = page().held.load(std::memory_order_relaxed);
  if (serial != kNobody) std::memcpy(mapping().slot_of(serial).name, own_name, sizeof own_name);
}

namespace {

// Asks the kernel to wake somebody when the holder dies; false: there is no holder.
bool mark_watched(os::FutexWord& life, std::uint32_t& word) noexcept {
  word = life.load();
  while ((word & kTid) != 0 && (word & FUTEX_WAITERS) == 0) {
    if (life.compare_exchange_weak(word, word | FUTEX_WAITERS)) word |= FUTEX_WAITERS;
  }
  return (word & kTid) != 0;
}

}  // namespace

void wait_on(os::FutexWord& word, std::uint32_t expected, Serial watched,
             const os::Deadline& deadline, std::int64_t poll_ns) noexcept {
  const std::int64_t now = os::now_ns();
  if (deadline.at_ns() <= now) return;
  if (watched < kSlots) {
    os::futex_wait(word, expected, std::min(deadline.at_ns(), now + poll_ns));
    return;
  }
  os::FutexWord& life = mapping().slot_of(watched).life_word();
  std::uint32_t life_value = 0;
  if (!mark_watched(life, life_value)) {
    // Nobody holds it: dead, or between two threads of a living process.
    if (!dead(watched)) {
      os::futex_wait(word, expected,
                     std::min(deadline.at_ns(), now + std::min(poll_ns, kBlindPollNs)));
    }
    return;
  }
  if (!os::futex_wait_either(word, expected, life, life_value,
                             std::min(deadline.at_ns(), now + poll_ns))) {
    os::futex_wait(word, expected,
                   std::min(deadline.at_ns(), now + std::min(poll_ns, kBlindPollNs)));
  }
  // The kernel wakes one watcher of a death; the woken one tells the others.
  if (dead(watched)) os::futex_wake(life);
}

bool wait_for_death(Serial serial, const os::Deadline& deadline) noexcept {
  while (!dead(serial)) {
    const std::int64_t now = os::now_ns();
    if (deadline.at_ns() <= now) return false;
    os::FutexWord& life = mapping().slot_of(serial).life_word();
    std::uint32_t value = 0;
    const bool held = mark_watched(life, value);
    const std::int64_t poll = held ? kPollNs : kBlindPollNs;
    os::futex_wait(life, value, std::min(deadline.at_ns(), now + poll));
  }
  os::futex_wake(mapping().slot_of(serial).life_word());
  return true;
}

}  // namespace multiprocessing::memory
