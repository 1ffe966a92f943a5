// SPDX-License-Identifier: BSL-1.0
#include "process/tree.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <ctime>
#include <system_error>

#include "memory/arena.hpp"
#include "os/first_use.hpp"
#include "os/log.hpp"
#include "process/start_channel.hpp"

namespace multiprocessing::process {
namespace {

constexpr std::size_t kAuthKeyBytes = 32;

struct Tree {
  std::mutex mutex;
  std::atomic<unsigned> generation{0};
  std::shared_ptr<Core> self;    // null: not asked for yet in the first process
  std::shared_ptr<Core> parent;  // null in the first process
  std::shared_ptr<Core> image;   // see image_for_children(); null: none made yet
  int next_index = 0;
  std::vector<std::shared_ptr<Core>> children;  // may still hold the parent's after a raw fork
  std::size_t starts_since_reap = 0;
  std::vector<std::shared_ptr<Core>> inherited;  // the parent's children
  std::shared_ptr<Core> former[2];  // the parent, and its parent, as they saw themselves
};

// Not on the heap: a forked child would have to copy one page more.
Tree& tree() {
  static constinit os::FirstUse<Tree> one;
  return one.get([] {
    ::pthread_atfork([] { tree().mutex.lock(); }, [] { tree().mutex.unlock(); },
                     [] {
                       ++tree().generation;
                       close_ends_of_the_parent();
                       tree().mutex.unlock();
                     });
    return Tree();
  });
}

std::vector<std::byte> random_key() {
  std::vector<std::byte> key(kAuthKeyBytes);
  ssize_t got = -1;
  while ((got = ::getrandom(key.data(), key.size(), 0)) < 0 && errno == EINTR) {
  }
  if (got != static_cast<ssize_t>(key.size())) {
    throw std::system_error(errno, std::generic_category(), "cannot make a random authkey");
  }
  return key;
}

// REQUIRES: the lock is held.
Core& self_locked(Tree& all) {
  if (all.self == nullptr) {
    auto main = std::make_shared<Core>();
    main->role = Role::kMain;
    main->name = "MainProcess";
    main->name_is_given = true;
    main->state = State::kStarted;
    main->authkey = random_key();
    all.self = std::move(main);
  }
  return *all.self;
}

// REQUIRES: the lock is held.
void number(Tree& all, Core& core) {
  const Core& self = self_locked(all);
  core.maker = all.generation.load();
  core.identity = self.identity;
  core.identity.push_back(++all.next_index);
  if (core.name_is_given) return;
  core.name = "Process";
  for (std::size_t i = 0; i < core.identity.size(); ++i) {
    core.name += i == 0 ? '-' : ':';
    core.name += std::to_string(core.identity[i]);
  }
}

// REQUIRES: the lock is held.
std::shared_ptr<Core> remove_child(Tree& all, const Core& core) {
  const auto found = std::find_if(all.children.begin(), all.children.end(),
                                  [&](const auto& child) { return child.get() == &core; });
  if (found == all.children.end()) return nullptr;
  std::shared_ptr<Core> removed = std::move(*found);
  all.children.erase(found);
  return removed;
}

// What follows from an end, done without the lock.
void note_end(const Ending& ending, const std::string& name) {
  if (ending.guessed) {
    os::log_warning(fmt::format(
        "the exit code of {} is not known: this program takes the statuses of all children "
        "(waitpid(-1), or SIGCHLD ignored); exitcode() is {}",
        name, ending.exitcode));
  }
  if (!ending.clean) memory::note_death();
}

std::vector<std::shared_ptr<Core>> own_children() {
  Tree& all = tree();
  std::vector<std::shared_ptr<Core>> inherited;  // dropped without the lock
  const std::lock_guard guard(all.mutex);
  if (!all.children.empty() && all.children.front()->maker != all.generation) {
    inherited.swap(all.children);
  }
  return all.children;
}

}  // namespace

std::mutex& lock() noexcept { return tree().mutex; }

unsigned generation() noexcept { return tree().generation.load(std::memory_order_relaxed); }

std::shared_ptr<Core> current() {
  Tree& all = tree();
  const std::lock_guard guard(all.mutex);
  self_locked(all);
  return all.self;
}

std::shared_ptr<Core> parent() {
  Tree& all = tree();
  const std::lock_guard guard(all.mutex);
  return all.parent;
}

std::shared_ptr<Core> make_core(ProcessOptions options) {
  auto core = std::make_shared<Core>();
  core->name_is_given = !options.name.empty();
  core->name = std::move(options.name);
  Tree& all = tree();
  const std::lock_guard guard(all.mutex);
  const Core& self = self_locked(all);
  core->daemon = options.daemon.value_or(self.daemon);
  core->authkey = self.authkey;
  number(all, *core);
  return core;
}

std::shared_ptr<Core> copy_core(const Core& other) {
  auto core = std::make_shared<Core>();
  Tree& all = tree();
  const std::lock_guard guard(all.mutex);
  if (other.state == State::kClosed) {
    throw ValueError(fmt::format("cannot copy the process object {}: it is closed", other.name));
  }
  if (other.state != State::kInitial || other.role != Role::kChild) {
    throw AssertionError(fmt::format(
        "cannot copy the process object {}: it has been started; move it, or keep a pointer to it",
        other.name));
  }
  core->name = other.name;
  core->name_is_given = other.name_is_given;
  core->daemon = other.daemon;
  core->authkey = other.authkey;
  core->has_target = other.has_target;
  core->target = other.target;
  number(all, *core);
  return core;
}

std::string name_of(const Core& core) {
  const std::lock_guard guard(lock());
  return core.name;
}

void add_child(std::shared_ptr<Core> child) { tree().children.push_back(std::move(child)); }

void reap_children() {
  const auto children = own_children();
  if (children.empty()) return;
  std::vector<pollfd> entries;
  entries.reserve(children.size());
  {
    const std::lock_guard guard(lock());
    for (const auto& core : children) {
      entries.push_back({core->child ? core->child->pidfd().get() : -1, POLLIN, 0});
    }
  }
  ::poll(entries.data(), entries.size(), 0);
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (entries[i].revents != 0) poll_end(*children[i]);
  }
}

void reap_children_sometimes() {
  constexpr std::size_t kShare = 16;
  {
    Tree& all = tree();
    const std::lock_guard guard(all.mutex);
    if (++all.starts_since_reap * kShare < all.children.size()) return;
    all.starts_since_reap = 0;
  }
  reap_children();
}

std::vector<std::shared_ptr<Core>> live_children() {
  reap_children();
  return own_children();
}

std::optional<int> poll_end(Core& core) {
  Tree& all = tree();
  std::shared_ptr<Core> removed;  // dropped without the lock
  std::optional<Ending> ending;
  std::string name;
  {
    const std::lock_guard guard(all.mutex);
    if (core.exitcode || core.child == nullptr || core.maker != all.generation) {
      return core.exitcode;
    }
    ending = core.child->poll();
    if (!ending) return std::nullopt;
    core.exitcode = ending->exitcode;
    removed = remove_child(all, core);
    name = core.name;
  }
  note_end(*ending, name);
  return ending->exitcode;
}

bool wait_for_end(Core& core, const os::Deadline& deadline) {
  std::shared_ptr<Child> child;  // keeps the descriptor open, whoever closes the object meanwhile
  {
    const std::lock_guard guard(lock());
    child = core.child;
  }
  if (child == nullptr) return poll_end(core).has_value();
  while (child->await_end(deadline)) {
    if (poll_end(core)) return true;
    if (deadline.passed()) return false;
    child->await_status(deadline);
  }
  return poll_end(core).has_value();
}

std::shared_ptr<Core> image_for_children() {
  const memory::Serial serial = memory::self();
  Tree& all = tree();
  const std::lock_guard guard(all.mutex);
  const Core& self = self_locked(all);
  const unsigned children = all.generation + 1;
  if (all.image == nullptr || all.image->maker != children || all.image->name != self.name ||
      all.image->parent.serial != serial) {
    auto image = std::make_shared<Core>();
    image->role = Role::kParent;
    image->maker = children;
    image->identity = self.identity;
    image->name = self.name;
    image->daemon = self.daemon;
    image->state = State::kStarted;
    image->pid = ::getpid();
    image->parent = {image->pid, serial};
    all.image = std::move(image);
  }
  return all.image;
}

void become(Core& own, std::shared_ptr<Core> parent) noexcept {
  Tree& all = tree();
  const std::lock_guard guard(all.mutex);
  // Nothing is freed or counted here: this process would copy pages of the heap for it.
  if (!all.children.empty()) {
    for (const auto& core : all.children) core->child.reset();  // closes the siblings' pidfds
    all.inherited.swap(all.children);
    all.children.clear();
  }
  // `own` lives as long as the frame of start(), which never returns here.
  all.former[0] = std::exchange(all.self, std::shared_ptr<Core>(std::shared_ptr<void>(), &own));
  all.former[1] = std::exchange(all.parent, std::move(parent));
  all.next_index = 0;
  all.starts_since_reap = 0;
}

void restart_numbering() noexcept {
  Tree& all = tree();
  const std::lock_guard guard(all.mutex);
  all.next_index = 0;
}

}  // namespace multiprocessing::process
