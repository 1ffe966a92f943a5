// SPDX-License-Identifier: BSL-1.0
#include "sharedctypes/block_guards.hpp"

#include <pthread.h>
#include <sys/stat.h>

#include <cstddef>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "os/first_use.hpp"
#include "sharedctypes/block_names.hpp"

namespace multiprocessing::sharedctypes {
namespace {

struct Guards {
  std::mutex mutex;  // held across fork
  std::unordered_map<ino_t, os::Fd> fds;
  std::size_t look_at = 16;  // the size at which those without a name are looked for next
};

Guards& guards() {
  static constinit os::FirstUse<Guards> one;
  return one.get([] {
    ::pthread_atfork([] { guards().mutex.lock(); }, [] { guards().mutex.unlock(); },
                     [] {
                       guards().fds.clear();
                       guards().mutex.unlock();
                     });
    return Guards();
  });
}

bool has_name(const os::Fd& fd) noexcept {
  struct stat status {};
  return ::fstat(fd.get(), &status) == 0 && status.st_nlink != 0;
}

// Whether others have unlinked the block; then the entry of its name goes too, as long as the
// descriptor keeps the inode from being given away.
bool is_done(ino_t inode, const os::Fd& fd) noexcept {
  if (has_name(fd)) return false;
  leave_name(inode);
  return true;
}

}  // namespace

void keep_guard(ino_t inode, os::Fd fd) {
  Guards& all = guards();
  const std::lock_guard guard(all.mutex);
  if (all.fds.size() >= all.look_at) {
    std::erase_if(all.fds, [](const auto& entry) { return is_done(entry.first, entry.second); });
    all.look_at = 2 * all.fds.size() + 16;
  }
  all.fds.insert_or_assign(inode, std::move(fd));
}

void drop_guard_if_unlinked(ino_t inode) noexcept {
  Guards& all = guards();
  const std::lock_guard guard(all.mutex);
  const auto found = all.fds.find(inode);
  if (found != all.fds.end() && is_done(found->first, found->second)) all.fds.erase(found);
}

}  // namespace multiprocessing::sharedctypes
