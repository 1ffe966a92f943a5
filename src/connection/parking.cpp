// SPDX-License-Identifier: BSL-1.0
#include "connection/parking.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <multiprocessing/errors.hpp>
#include <system_error>

#include "memory/block_allocator.hpp"
#include "memory/layout.hpp"
#include "memory/reference_word.hpp"
#include "os/no_fork.hpp"
#include "os/poll.hpp"
#include "os/socket.hpp"
#include "sync/lock_word.hpp"

namespace multiprocessing::connection {
namespace {

using memory::Handle;
using memory::ObjectHeader;
using Name = std::uint64_t;  // of a block; 0: none

struct Parked : ObjectHeader {
  static constexpr memory::ObjectKind kKind = memory::ObjectKind::kDescriptors;
};

// The kernel has room for some more; to turn the row round, one has to be twice in it.
constexpr int kPacketsMax = 400;

[[noreturn]] void fail(int error, const std::string& what) {
  throw std::system_error(error, std::generic_category(), "Connection: " + what);
}

bool is_still(int fd, ino_t inode) noexcept {
  struct stat status {};
  return fd >= 0 && ::fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_ino == inode;
}

/// The parked packets, under the lock.
class Row {
 public:
  Row()
      : control_(memory::mapping().control()),
        socket_(memory::mapping().parking),
        guard_(acquired()) {
    open_ = is_still(socket_.in, socket_.inodes[0]) && is_still(socket_.out, socket_.inodes[1]);
    if (open_ && control_.parking_dirty.load() != 0) remove_all_but_live();
  }
  Row(const Row&) = delete;
  Row& operator=(const Row&) = delete;

  /// Whether this process can reach them.
  [[nodiscard]] bool open() const noexcept { return open_; }

  [[nodiscard]] int size() const noexcept {
    int bytes = 0;
    ::ioctl(socket_.out, FIONREAD, &bytes);
    return bytes / static_cast<int>(sizeof(Name));
  }

  /// 0, or the errno.
  [[nodiscard]] int append(Name name, std::span<const int> descriptors) const noexcept {
    iovec part{&name, sizeof name};
    return os::try_send_packet(socket_.in, std::span(&part, 1), descriptors);
  }

  /// The descriptors of that name. False: this process has no room for all of them.
  [[nodiscard]] bool find(Name name, std::vector<os::Fd>& descriptors) const {
    const int count = size();
    look_from(0);
    for (int at = 0; at < count; ++at) {
      if (look() != name) continue;
      look_from(at);
      return copy(descriptors);
    }
    throw RuntimeError("Connection: the descriptors of a message are not where they were put");
  }

  /// Removes the packet of an object that ends. Without room for a copy of those before it, or
  /// where this process cannot reach it, somebody does it later.
  void remove(Name ending) {
    const bool was_dirty = control_.parking_dirty.exchange(1) != 0;
    if (!open_) return;
    for (int left = size(); left > 0; --left) {
      const Name front = first();
      if (front == ending) {
        drop_first();
        break;
      }
      if (!move_to_back(front)) return;
    }
    if (was_dirty) return remove_all_but_live();
    control_.parking_dirty.store(0);
  }

 private:
  [[nodiscard]] sync::RawLock& acquired() const {
    auto& lock = reinterpret_cast<sync::RawLock&>(control_.parking_lock);
    static_cast<void>(lock.acquire());
    return lock;
  }

  // After a death, or when there was no room to turn the row round: there may be any number.
  void remove_all_but_live() {
    std::vector<Name> seen;
    for (int left = size(); left > 0; --left) {
      const Name front = first();
      const bool twice = std::find(seen.begin(), seen.end(), front) != seen.end();
      if (twice || !memory::names_live_block(front)) {
        drop_first();
      } else {
        seen.push_back(front);
        if (!move_to_back(front)) return;
      }
    }
    control_.parking_dirty.store(0);
  }

  // Where the next look is at; each goes one further. Whoever died may have left it anywhere.
  void look_from(int at) const noexcept {
    const int offset = at * static_cast<int>(sizeof(Name));
    ::setsockopt(socket_.out, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset);
  }
  [[nodiscard]] Name look() const noexcept { return receive_name(MSG_PEEK); }
  [[nodiscard]] bool copy(std::vector<os::Fd>& descriptors) const {
    Name name = 0;
    const auto bytes = std::as_writable_bytes(std::span(&name, 1));
    const auto packet = os::try_receive_packet(socket_.out, bytes, descriptors, MSG_PEEK);
    return packet && !packet->descriptors_lost;
  }
  [[nodiscard]] Name first() const noexcept {
    look_from(0);
    return look();
  }
  void drop_first() const noexcept { receive_name(0); }

  Name receive_name(int flags) const noexcept {
    Name name = 0;
    while (::recv(socket_.out, &name, sizeof name, flags | MSG_DONTWAIT) < 0 && errno == EINTR) {
    }
    return name;
  }

  // First twice in the row, then once: a death in between loses nothing.
  [[nodiscard]] bool move_to_back(Name name) const {
    // A forked child would have the copies too, and nobody in it knows of them.
    const os::NoFork none;
    std::vector<os::Fd> descriptors;
    look_from(0);
    if (!copy(descriptors)) return false;
    std::vector<int> numbers;
    numbers.reserve(descriptors.size());
    for (const os::Fd& descriptor : descriptors) numbers.push_back(descriptor.get());
    if (append(name, numbers) != 0) return false;
    drop_first();
    return true;
  }

  memory::Control& control_;
  const memory::ParkingSocket& socket_;
  const sync::RawLockGuard guard_;
  bool open_ = false;
};

void close_parked(ObjectHeader& object) {
  Row row;
  row.remove(memory::name_of(&object));
}

// Where nobody parks or takes anything, those who wait for the end of what is parked make room.
void tidy_up() {
  if (memory::mapping().control().parking_dirty.load() == 0) return;
  try {
    const Row row;
  } catch (const std::exception&) {
    // It stays dirty, and is tried again.
  }
}

// Before main, for a process that parks nothing may still have to clean up after one that did.
[[maybe_unused]] const bool registered = [] {
  memory::register_finalizer(Parked::kKind, close_parked);
  os::set_later_idle_work(tidy_up);
  return true;
}();

void check_open(const Row& row) {
  if (row.open()) return;
  fail(EBADF,
       "no Connection can travel in a Queue's message here: the socket that carries them was "
       "closed by this program, or could not be opened when it began; leave descriptors alone "
       "that are not yours, or send it through a Pipe");
}

// An errno, or 0; `count`: the packets that were there.
int try_to_park(const Handle& handle, std::span<const int> descriptors, int& count) {
  const Row row;
  check_open(row);
  count = row.size();
  return count >= kPacketsMax ? EAGAIN : row.append(memory::name_of(handle.get()), descriptors);
}

Handle park_some(std::span<const int> descriptors) {
  Handle handle = memory::make_object<Parked>();
  int count = 0;
  int error = try_to_park(handle, descriptors, count);
  if (error == EAGAIN || error == ETOOMANYREFS) {
    // What killed processes left in there goes when they are swept.
    memory::sweep();
    error = try_to_park(handle, descriptors, count);
  }
  if (error == 0) return handle;
  if (error == EAGAIN) {
    fail(ENOBUFS, fmt::format("no room for the descriptors of a message: {} messages with "
                              "Connections in them wait in queues; take some of them first",
                              count));
  }
  if (error == ETOOMANYREFS) {
    fail(error,
         "this user has too many descriptors in messages that nobody has taken yet; take some of "
         "them first, or raise the limit (ulimit -n)");
  }
  fail(error, "cannot put the descriptors of a message");
}

}  // namespace

std::vector<Handle> park(std::span<const int> descriptors) {
  std::vector<Handle> handles;
  while (!descriptors.empty()) {
    const auto some = descriptors.first(std::min(descriptors.size(), os::kPacketDescriptors));
    handles.push_back(park_some(some));
    descriptors = descriptors.subspan(some.size());
  }
  return handles;
}

void park_descriptors_of(detail::Encoder& message) {
  for (const Handle& handle : park(message.descriptors())) message.attach_handle(handle);
}

bool stands_for_descriptors(const ObjectHeader& object) noexcept {
  return object.kind == Parked::kKind;
}

Unparked::Unparked(std::span<const Handle> handles) {
  std::vector<os::Fd> all;
  for (const Handle& handle : handles) {
    if (!stands_for_descriptors(handle.as<ObjectHeader>())) continue;
    const Row row;
    check_open(row);
    if (!row.find(memory::name_of(handle.get()), all)) {
      fail(EMFILE,
           "no room for the descriptors of a message, which stays; close some or raise the limit "
           "(ulimit -n)");
    }
  }
  descriptors_.reserve(all.size());
  for (os::Fd& descriptor : all) descriptors_.push_back(descriptor.release());
}

Unparked::~Unparked() {
  for (const int fd : descriptors_) {
    if (fd >= 0) ::close(fd);
  }
}

}  // namespace multiprocessing::connection
