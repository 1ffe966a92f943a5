// SPDX-License-Identifier: BSL-1.0
#include "sharedctypes/block_file.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <memory>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <string_view>
#include <system_error>
#include <utility>

#include "os/clock.hpp"
#include "os/no_fork.hpp"
#include "os/random.hpp"
#include "sharedctypes/block_guards.hpp"

namespace multiprocessing::sharedctypes {
namespace {

constexpr const char* kFolder = "/dev/shm";
constexpr mode_t kMode = 0600;
constexpr mode_t kMark = S_ISVTX;
constexpr int kOpen = O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

// How long to wait for another that removes the same file, which takes it microseconds. One that
// was stopped meanwhile may have it removed when it goes on.
constexpr std::chrono::seconds kTurnWait{1};

[[noreturn]] void fail(int error, std::string_view name, std::string_view what) {
  throw std::system_error(error, std::generic_category(),
                          fmt::format("SharedMemory {}: {}", Object(name).repr(), what));
}

// As Python, which puts one slash in front.
std::string checked_name(const std::string& given) {
  const std::size_t begin = std::min(given.find_first_not_of('/'), given.size());
  std::string name = given.substr(begin);
  if (name.find('\0') != std::string::npos)
    throw ValueError(
        fmt::format("SharedMemory {}: a name cannot have a zero in it", Object(given).repr()));
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos)
    fail(EINVAL, given, "this cannot be the name of a block; use one without slashes");
  if (name.size() > kBlockNameMax) fail(ENAMETOOLONG, given, "the name is too long");
  return name;
}

std::string path_of(std::string_view name) { return fmt::format("{}/{}", kFolder, name); }

std::string made_up_name() {
  const auto number = os::random_bytes<sizeof(std::uint32_t)>();
  return fmt::format("psm_{:08x}", std::bit_cast<std::uint32_t>(number));
}

std::byte* map(const os::Fd& fd, std::size_t size, std::string_view name) {
  void* const base = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (base == MAP_FAILED) fail(errno, name, fmt::format("{} bytes cannot be mapped", size));
  return static_cast<std::byte*>(base);
}

// It has no name yet.
os::Fd make_nameless(const FilePlan& plan, std::string_view name) {
  os::Fd fd(::open(kFolder, O_TMPFILE | O_RDWR | O_CLOEXEC, kMode));
  if (!fd) fail(errno, name, fmt::format("no block can be made below {}", kFolder));
  if (::fchmod(fd.get(), kMode | kMark) != 0 || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    fail(errno, name, "the block cannot be marked as this process's");
  if (::ftruncate(fd.get(), static_cast<off_t>(plan.size)) != 0)
    fail(errno, name, fmt::format("a block cannot have {} bytes", plan.size));
  // Here, a full /dev/shm is an error; in the mapping it would be SIGBUS.
  for (auto rest = plan.contents; !rest.empty();) {
    const auto at = static_cast<off_t>(plan.contents.size() - rest.size());
    const ssize_t n = ::pwrite(fd.get(), rest.data(), rest.size(), at);
    if (n < 0 && errno != EINTR) fail(errno, name, "the block cannot be written");
    if (n > 0) rest = rest.subspan(static_cast<std::size_t>(n));
  }
  return fd;
}

std::string path_of(const os::Fd& fd) { return fmt::format("/proc/self/fd/{}", fd.get()); }

// 0, or the errno.
int give_name(const os::Fd& fd, const std::string& name) noexcept {
  const int result =
      ::linkat(AT_FDCWD, path_of(fd).c_str(), AT_FDCWD, path_of(name).c_str(), AT_SYMLINK_FOLLOW);
  return result == 0 ? 0 : errno;
}

// By a descriptor of its own: a mapping holds the lock of the one it was made by, and forked
// children and whoever reads the memory of a dead process would hold it with the mapping.
std::byte* map_unlocked(const os::Fd& fd, std::size_t size, std::string_view name) {
  const os::Fd own(::open(path_of(fd).c_str(), O_RDWR | O_CLOEXEC));
  if (!own) fail(errno, name, "the block cannot be opened");
  return map(own, size, name);
}

struct CloseFolder {
  void operator()(DIR* folder) const noexcept { ::closedir(folder); }
};

bool is_marked(const struct stat& status) noexcept {
  return S_ISREG(status.st_mode) && (status.st_mode & 07777) == (kMode | kMark) &&
         status.st_uid == ::geteuid();
}

bool unlink_if_named(const char* name, ino_t inode) noexcept {
  return is_named(name, inode) && ::unlink(path_of(name).c_str()) == 0;
}

enum class Attempt { kRemoved, kLeft, kNotYet };

// With the turn, which ends with the descriptor.
Attempt try_to_remove(const os::Fd& fd, const char* name, ino_t inode) noexcept {
  struct flock whole {};
  whole.l_type = F_WRLCK;
  if (::fcntl(fd.get(), F_OFD_SETLK, &whole) != 0) return Attempt::kNotYet;
  return unlink_if_named(name, inode) ? Attempt::kRemoved : Attempt::kLeft;
}

Attempt try_to_unlink(const char* name, ino_t inode) noexcept {
  const os::Fd fd(::open(path_of(name).c_str(), kOpen));
  struct stat status {};
  if (fd && ::fstat(fd.get(), &status) == 0 && status.st_ino == inode) {
    return try_to_remove(fd, name, inode);
  }
  // Another's name; or there is no descriptor to be had, and a name that stays would be worse.
  return unlink_if_named(name, inode) ? Attempt::kRemoved : Attempt::kLeft;
}

Attempt try_to_remove_stale(int folder, const char* name) noexcept {
  struct stat status {};
  if (::fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !is_marked(status))
    return Attempt::kLeft;
  const os::Fd fd(::openat(folder, name, kOpen));
  if (!fd || ::fstat(fd.get(), &status) != 0 || !is_marked(status)) return Attempt::kLeft;
  if (::flock(fd.get(), LOCK_SH | LOCK_NB) != 0) return Attempt::kLeft;
  // The inode's number is not given away while the descriptor is open.
  return try_to_remove(fd, name, status.st_ino);
}

// One removes a file at a time, for the name may be a new block's once it is gone. Who comes second
// waits, so that a stale name is gone for it too when it goes on.
template <class Try> bool remove_in_turn(const Try& attempt) noexcept {
  const os::Deadline deadline = os::Deadline::after(kTurnWait);
  for (;;) {
    {
      // A forked child would have the turn too, for as long as it lives.
      const os::NoFork none;
      const Attempt how = attempt();
      if (how != Attempt::kNotYet) return how == Attempt::kRemoved;
    }
    if (deadline.passed()) {
      errno = ETIMEDOUT;
      return false;
    }
    const timespec pause{0, 1'000'000};
    ::nanosleep(&pause, nullptr);
  }
}

}  // namespace

MappedFile create_file(const FilePlan& plan) {
  std::string name = plan.name ? checked_name(*plan.name) : made_up_name();
  os::Fd fd = make_nameless(plan, name);
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail(errno, name, "the block cannot be looked at");
  MappedFile file{
      .name = std::move(name), .inode = status.st_ino, .base = nullptr, .size = plan.size};
  for (;;) {
    enter_name(file.name, file.inode, plan.manager);
    const int error = give_name(fd, file.name);
    if (error == 0) break;
    leave_name(file.inode);
    if (error != EEXIST) fail(error, file.name, "the block cannot be given its name");
    if (plan.name) {
      fail(EEXIST, file.name,
           "a block of this name exists; attach it without mp::create, unlink it, or take another");
    }
    file.name = made_up_name();
  }
  try {
    file.base = map_unlocked(fd, file.size, file.name);
    keep_guard(file.inode, std::move(fd));
  } catch (...) {
    if (file.base != nullptr) ::munmap(file.base, file.size);
    if (unlink_file(file.name.c_str(), file.inode)) leave_name(file.inode);
    throw;
  }
  return file;
}

MappedFile attach_file(const std::string& given) {
  std::string name = checked_name(given);
  const os::Fd fd(::open(path_of(name).c_str(), kOpen));
  if (!fd) {
    fail(errno, name,
         errno == ENOENT ? "there is no block of this name; was it unlinked?"
                         : "the block cannot be attached");
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) fail(errno, name, "the block cannot be looked at");
  if (!S_ISREG(status.st_mode)) fail(EINVAL, name, "it is something else than a block");
  if (status.st_size <= 0) {
    throw ValueError(fmt::format(
        "SharedMemory {}: the block has no bytes; its maker has not given it a size yet",
        Object(name).repr()));
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  std::byte* const base = map(fd, size, name);
  return {.name = std::move(name), .inode = status.st_ino, .base = base, .size = size};
}

bool is_named(const char* name, ino_t inode) noexcept {
  struct stat status {};
  if (::lstat(path_of(name).c_str(), &status) != 0) return false;
  if (status.st_ino == inode) return true;
  errno = ENOENT;
  return false;
}

bool unlink_file(const char* name, ino_t inode) noexcept {
  return remove_in_turn([&] { return try_to_unlink(name, inode); });
}

std::size_t remove_stale_files() {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(kFolder));
  if (folder == nullptr)
    throw std::system_error(errno, std::generic_category(),
                            fmt::format("SharedMemory::cleanup_stale: {} cannot be read", kFolder));
  std::size_t removed = 0;
  while (const dirent* const entry = ::readdir(folder.get())) {
    const bool gone =
        remove_in_turn([&] { return try_to_remove_stale(::dirfd(folder.get()), entry->d_name); });
    if (gone) ++removed;
  }
  return removed;
}

}  // namespace multiprocessing::sharedctypes
