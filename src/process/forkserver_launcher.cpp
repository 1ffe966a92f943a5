// SPDX-License-Identifier: BSL-1.0
// The start method forkserver: this process's side.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <multiprocessing/detail/callable.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include "memory/arena.hpp"
#include "os/fork_mutex.hpp"
#include "os/fresh_image.hpp"
#include "os/socket.hpp"
#include "process/fork_server.hpp"
#include "process/fresh_launch.hpp"
#include "process/handover.hpp"
#include "process/launcher.hpp"
#include "process/tree.hpp"

namespace multiprocessing {
namespace process {
namespace {

template <class T> std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

struct Answer {
  ForkReply reply{};
  os::Fd pidfd;
};

// A running server, as its owner sees it.
class ServerLink {
 public:
  // Starts one and waits until it serves. THROWS: std::system_error, RuntimeError.
  explicit ServerLink(std::span<void (*const)()> preload) : owner_(generation()) {
    auto [ours, theirs] = os::packet_pair();
    channel_ = std::move(ours);
    start(theirs.get());
    theirs.reset();
    greet(preload);
  }

  // A forked child has a copy of its parent's link, which is of no use to it.
  [[nodiscard]] bool is_own() const noexcept { return owner_ == generation(); }
  [[nodiscard]] memory::Serial serial() const noexcept { return serial_; }

  // Null: the server is dead.
  std::optional<Answer> ask(const FreshLaunch& launch) {
    ForkRequest request{launch.record().page_offset(), launch.record().offset()};
    const int riding = launch.child_end();
    iovec part{&request, sizeof request};
    if (os::send_packet(channel_.get(), std::span(&part, 1), std::span(&riding, 1)) !=
        os::Sent::kYes) {
      return std::nullopt;
    }
    Answer answer;
    std::vector<os::Fd> descriptors;
    const os::Packet packet =
        os::receive_packet(channel_.get(), bytes_of(answer.reply), descriptors);
    if (packet.bytes == 0) return std::nullopt;
    if (packet.descriptors_lost) answer.reply.error = EMFILE;
    if (!descriptors.empty()) answer.pidfd = std::move(descriptors.front());
    return answer;
  }

 private:
  // The process that is executed ends once it has forked the server.
  static void start(int channel) {
    const pid_t pid = os::exec_fresh_image(
        {os::ImageRole::kServer, memory::shared_descriptors(), channel, memory::self()},
        "forkserver");
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  void greet(std::span<void (*const)()> preload) {
    const os::Fd self = os::open_pidfd(::getpid());
    detail::Encoder hello;
    hello.write_descriptor(self.get());
    hello.put(static_cast<std::uint32_t>(preload.size()));
    for (const auto function : preload) detail::encode_function(hello, function);
    std::vector<os::Fd> none;
    const bool greeted = hand_over(channel_.get(), hello) &&
                         os::receive_packet(channel_.get(), bytes_of(serial_), none).bytes != 0;
    if (greeted) return;
    throw RuntimeError(
        "the fork server ended at its start: see what this program does before main, and in the "
        "function of set_forkserver_preload");
  }

  unsigned owner_;
  os::Fd channel_;
  memory::Serial serial_ = memory::kNobody;
};

// A child of the server's, whose status the server leaves in the record.
class ServedChild final : public Child {
 public:
  ServedChild(pid_t pid, os::Fd pidfd, RecordHandle record, memory::Serial server)
      : Child(pid, std::move(pidfd)),
        record_(std::move(record)),
        shared_(&*record_),
        server_(server) {}

  std::optional<Ending> poll() override {
    Ending ending;
    if (const auto status = shared_->read_status()) {
      ending.exitcode = os::exit_code_of(*status);
      ending.clean = shared_->read_report().clean && WIFEXITED(*status);
    } else if (memory::dead(server_) && has_ended()) {
      ending = ending_of_stolen(os::status_after_reaping(pidfd()), shared_->read_report());
    } else {
      return std::nullopt;
    }
    memory::forget_child(shared_->adoption);
    record_ = {};
    return ending;
  }

  void await_status(const os::Deadline& deadline) override {
    memory::wait_on(shared_->status, 0, server_, deadline);
  }

 private:
  [[nodiscard]] bool has_ended() const {
    return os::wait_readable(pidfd().get(), os::Deadline::after(std::chrono::seconds(0)));
  }

  RecordHandle record_;
  ExitRecord* const shared_;  // stays readable when the record is given back
  const memory::Serial server_;
};

class ForkserverLauncher final : public Launcher {
 public:
  std::string_view method() const noexcept override { return "forkserver"; }

  std::shared_ptr<Child> launch(Process& process, const std::shared_ptr<Core>& core) override {
    for (int attempt = 0;; ++attempt) {
      // Another attempt is another channel: what a dead server forked just before is not told.
      FreshLaunch launch(process, *core, Surroundings::of_this_process());
      const std::lock_guard guard(mutex_);
      if (!server_ || !server_->is_own()) server_.emplace(preload_);
      std::optional<Answer> answer = server_->ask(launch);
      if (!answer) {
        server_.reset();
        if (attempt == 0) continue;
        throw RuntimeError(
            fmt::format("{} was not started: the fork server died twice, killed by "
                        "somebody or by the system",
                        launch.name()));
      }
      if (answer->reply.error != 0 || !answer->pidfd) {
        throw std::system_error(answer->reply.error, std::generic_category(),
                                "the fork server cannot fork");
      }
      launch.describe();
      return std::make_shared<ServedChild>(answer->reply.pid, std::move(answer->pidfd),
                                           launch.take_record(), server_->serial());
    }
  }

  void set_preload(void (*preload)()) {
    const std::lock_guard guard(mutex_);
    preload_.clear();
    if (preload != nullptr) preload_.push_back(preload);
  }

 private:
  os::ForkMutex mutex_;
  std::optional<ServerLink> server_;  // guarded by mutex_
  std::vector<void (*)()> preload_;   // same
};

// Never destroyed: processes may be started by the destructors of the program's statics.
ForkserverLauncher& instance() {
  static auto* const launcher = new ForkserverLauncher;
  return *launcher;
}

}  // namespace

Launcher& forkserver_launcher() { return instance(); }

}  // namespace process

void set_forkserver_preload(void (*preload)()) { process::instance().set_preload(preload); }

}  // namespace multiprocessing
