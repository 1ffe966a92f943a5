// SPDX-License-Identifier: BSL-1.0
#include "os/socket_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "os/clock.hpp"
#include "os/fd.hpp"

namespace multiprocessing::os {
namespace {

// How long to wait for others that bind in the same folder, which takes them microseconds.
constexpr std::chrono::seconds kFolderWait{2};

[[noreturn]] void fail(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

// Holds the lock on a folder, if it could be had.
class FolderLock {
 public:
  explicit FolderLock(const std::filesystem::path& folder)
      : fd_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!fd_) return;
    const Deadline deadline = Deadline::after(kFolderWait);
    while (!(held_ = ::flock(fd_.get(), LOCK_EX | LOCK_NB) == 0) && !deadline.passed()) {
      const timespec pause{0, 1'000'000};
      ::nanosleep(&pause, nullptr);
    }
  }
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;
  // Said expressly: a child that another thread forks meanwhile has the descriptor too.
  ~FolderLock() {
    if (held_) ::flock(fd_.get(), LOCK_UN);
  }
  [[nodiscard]] bool held() const noexcept { return held_; }

 private:
  Fd fd_;
  bool held_ = false;
};

// Whether the address is a dead socket's. A live one refuses a connection of another type than its
// own before it hears of it.
bool is_left_behind(const SocketAddress& address) {
  struct stat file {};
  if (::lstat(path_of(address).c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const Fd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return false;
  return ::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED;
}

}  // namespace

SocketFile::SocketFile(int fd, const SocketAddress& address, int backlog) {
  const std::string given = path_of(address);
  const std::filesystem::path path = std::filesystem::absolute(given);
  const FolderLock lock(path.parent_path());
  if (::bind(fd, address.get(), address.size) != 0) {
    if (errno != EADDRINUSE) fail(errno, "cannot bind");
    if (!lock.held() || !is_left_behind(address)) {
      fail(EADDRINUSE, "cannot bind: somebody listens there, or the file is no socket");
    }
    ::unlink(given.c_str());
    if (::bind(fd, address.get(), address.size) != 0) fail(errno, "cannot bind");
  }
  struct stat file {};
  if (::lstat(given.c_str(), &file) == 0) {
    path_ = path.string();
    device_ = file.st_dev;
    inode_ = file.st_ino;
  }
  if (backlog >= 0 && ::listen(fd, backlog) != 0) {
    const int error = errno;
    remove();
    fail(error, "cannot listen");
  }
}

void SocketFile::remove() noexcept {
  if (path_.empty()) return;
  struct stat file {};
  if (::lstat(path_.c_str(), &file) == 0 && file.st_dev == device_ && file.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
  path_.clear();
}

}  // namespace multiprocessing::os
