// SPDX-License-Identifier: BSL-1.0
// The start method spawn.
//
// The description is made before anything else, so that a target that cannot go is an error of the
// parent's. The child reads it from its end of a packet socket.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "memory/arena.hpp"
#include "os/first_use.hpp"
#include "os/fresh_image.hpp"
#include "process/bootstrap.hpp"
#include "process/description.hpp"
#include "process/handover.hpp"
#include "process/launcher.hpp"
#include "process/start_channel.hpp"
#include "process/tree.hpp"

namespace multiprocessing::process {
namespace {

class SpawnLauncher final : public Launcher {
 public:
  std::string_view method() const noexcept override { return "spawn"; }

  std::shared_ptr<Child> launch(Process& process, const std::shared_ptr<Core>& core) override {
    require_hook(name_of(*core));
    RecordHandle record = take_record(RecordPlace::kArena);
    detail::Encoder message;
    message.put(record.page_name());
    message.put(record.offset());
    encode_description(message, process, *core);
    auto [ours, theirs] = open_start_channel();
    const pid_t pid = os::exec_fresh_image(
        {os::ImageRole::kChild, memory::shared_descriptors(), theirs.get(), memory::self()},
        name_of(*core));
    theirs.close();
    try {
      os::Fd pidfd = os::open_pidfd(pid);
      memory::expect_adoption_by_message(record->adoption);
      // If it has ended already, its exit code will tell.
      hand_over(ours.get(), {.pidfd = pidfd.get()}, message);
      return std::make_shared<DirectChild>(pid, std::move(pidfd), std::move(record));
    } catch (...) {
      give_up(*record, pid);
      throw;
    }
  }

 private:
  // The child waits for its description, so it cannot have ended in order before.
  static void give_up(ExitRecord& record, pid_t pid) noexcept {
    ::kill(pid, SIGKILL);
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    memory::forget_child(record.adoption);
  }
};

}  // namespace

Launcher& spawn_launcher() {
  static constinit os::FirstUse<SpawnLauncher> launcher;
  return launcher.get();
}

}  // namespace multiprocessing::process
