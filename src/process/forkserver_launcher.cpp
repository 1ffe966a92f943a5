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
#include "os/first_use.hpp"
#include "os/fork_mutex.hpp"
#include "os/fresh_image.hpp"
#include "os/socket.hpp"
#include "process/bootstrap.hpp"
#include "process/description.hpp"
#include "process/fork_server.hpp"
#include "process/handover.hpp"
#include "process/launcher.hpp"
#include "process/peer.hpp"
#include "process/start_channel.hpp"
#include "process/surroundings.hpp"
#include "process/tree.hpp"

namespace multiprocessing {
namespace process {
namespace {

struct Answer {
  ForkReply reply;
  os::Fd pidfd;
};

// A running server, as its owner sees it.
class ServerLink {
 public:
  // Starts one and waits until it serves. THROWS: std::system_error, RuntimeError.
  explicit ServerLink(void (*preload)()) : owner_(generation()) {
    auto [ours, theirs] = open_start_channel();
    channel_ = std::move(ours);
    start(theirs.get());
    theirs.close();
    meet();
    greet(preload);
  }

  // A forked child has a copy of its parent's link, which is of no use to it.
  [[nodiscard]] bool is_own() const noexcept { return owner_ == generation(); }
  [[nodiscard]] memory::Serial serial() const noexcept { return serial_; }

  // Adds what is for the server itself to a request that holds the description.
  void complete(detail::Encoder& request, const RecordHandle& record) {
    request.align(16);
    const std::uint64_t front = request.size();
    Surroundings now = Surroundings::of_this_thread();
    const bool changed = now != surroundings_;
    request.put(changed);
    if (changed) {
      encode_surroundings(request, now);
      surroundings_ = std::move(now);
    }
    request.put(record.number());
    encode_streams(request);
    request.put(front);
  }

  // Null: the server is dead.
  std::optional<Answer> ask(const detail::Encoder& request) {
    if (!hand_over(channel_.get(), peer(), request)) return std::nullopt;
    Answer answer;
    const std::optional<os::Packet> packet = receive(answer.reply, answer.pidfd);
    if (!packet) return std::nullopt;
    if (packet->descriptors_lost) {
      answer.reply.refused = Refused::kDescriptors;
      answer.reply.error = EMFILE;
    }
    if (answer.reply.refused != Refused::kNothing) surroundings_.reset();
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

  template <class Value> std::optional<os::Packet> receive(Value& value, os::Fd& riding) {
    std::vector<os::Fd> descriptors;
    const os::Packet packet = receive_from(
        peer(), channel_.get(), std::as_writable_bytes(std::span(&value, 1)), descriptors);
    if (packet.bytes == 0) return std::nullopt;
    if (!descriptors.empty()) riding = std::move(descriptors.front());
    return packet;
  }

  [[nodiscard]] Peer peer() const noexcept { return {.pidfd = server_.get()}; }

  // Who forked the server has ended by now: the server's pidfd has come, or will never.
  void meet() {
    std::byte filler{};
    std::vector<os::Fd> riding;
    const auto packet = os::try_receive_packet(channel_.get(), std::span(&filler, 1), riding);
    if (packet && packet->descriptors_lost) {
      throw std::system_error(EMFILE, std::generic_category(), "no room for the fork server");
    }
    if (riding.empty()) throw RuntimeError(kEndedAtItsStart);
    server_ = std::move(riding.front());
  }

  void greet(void (*preload)()) {
    const os::Fd self = os::open_pidfd(::getpid());
    detail::Encoder hello;
    hello.write_descriptor(self.get());
    hello.write_descriptor(served_records());
    hello.put(preload != nullptr);
    if (preload != nullptr) detail::encode_function(hello, preload);
    os::Fd none;
    if (hand_over(channel_.get(), peer(), hello) && receive(serial_, none)) return;
    throw RuntimeError(kEndedAtItsStart);
  }

  static constexpr const char* kEndedAtItsStart =
      "the fork server ended at its start: see what this program does before main, and in the "
      "function of set_forkserver_preload";

  unsigned owner_;
  ChannelEnd channel_;
  os::Fd server_;  // its pidfd
  memory::Serial serial_ = memory::kNobody;
  std::optional<Surroundings> surroundings_;  // the server's; null: not known
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
    if (!shared_->read_status() && has_ended()) await_server();
    // Asked first: what it writes just before its end counts.
    const bool server_ended = memory::dead(server_);
    if (const auto status = shared_->read_status()) {
      const bool known = *status != ExitRecord::kUnknownStatus;
      ending = ending_of_stolen(known ? status : std::nullopt, shared_->read_report());
    } else if (server_ended && has_ended()) {
      // Whoever inherited it from the server reaps it soon, late or never.
      std::optional<int> kernel = os::status_before_reaping(pid(), pidfd());
      if (!kernel) kernel = os::status_after_reaping(pidfd());
      ending = ending_of_stolen(kernel, shared_->read_report());
    } else {
      return std::nullopt;
    }
    memory::forget_child(shared_->adoption);
    record_ = {};
    return ending;
  }

  // The status comes a moment after the end, so who waits for the end alone is woken twice. But
  // that wait needs no looking in between, as one for hours should not.
  bool await_end(const os::Deadline& deadline) override {
    constexpr std::chrono::milliseconds kShortLife{50};
    if (!shared_->read_status() && !memory::dead(server_)) {
      const auto soon = os::Deadline::after(kShortLife);
      memory::wait_on(shared_->status, 0, server_,
                      soon.at_ns() < deadline.at_ns() ? soon : deadline);
    }
    return shared_->read_status() || Child::await_end(deadline);
  }

  void await_status(const os::Deadline& deadline) override {
    memory::wait_on(shared_->status, 0, server_, deadline);
  }

 private:
  // Who sees the end by the sentinel is to see the exit code: the server is just taking it.
  void await_server() noexcept {
    constexpr std::chrono::milliseconds kMoment{100};
    const auto deadline = os::Deadline::after(kMoment);
    while (!shared_->read_status() && !memory::dead(server_) && !deadline.passed()) {
      memory::wait_on(shared_->status, 0, server_, deadline);
    }
  }

  [[nodiscard]] bool has_ended() const {
    return os::wait_readable(pidfd().get(), os::Deadline::after(std::chrono::seconds(0)));
  }

  RecordHandle record_;
  ExitRecord* const shared_;  // stays readable when the record is given back
  const memory::Serial server_;
};

std::string refusal_of(const ForkReply& reply) {
  switch (reply.refused) {
    case Refused::kDirectory:
      return "the fork server cannot change to this process's working directory";
    case Refused::kDescriptors:
      return "the fork server or this process has no room for the descriptors; raise the limit of "
             "open files (ulimit -n)";
    default:
      return "the fork server cannot fork";
  }
}

// A child was forked, or may have been, which shall not run: it waits for this word. The record is
// free again once it is known that the child has ended.
void give_up(RecordHandle& record, const ServerLink* server) noexcept {
  record->tell(Go::kGiveUp);
  while (server != nullptr && !record->read_status() && !memory::dead(server->serial())) {
    memory::wait_on(record->status, 0, server->serial(), os::Deadline::never());
  }
  memory::forget_child(record->adoption);
  if (!record->read_status()) record.abandon();
}

class ForkserverLauncher final : public Launcher {
 public:
  std::string_view method() const noexcept override { return "forkserver"; }

  std::shared_ptr<Child> launch(Process& process, const std::shared_ptr<Core>& core) override {
    require_hook(name_of(*core));
    for (int attempt = 0; attempt < 2; ++attempt) {
      // Made without the lock: it calls functions of the program's.
      detail::Encoder request;
      encode_description(request, process, *core);
      const std::lock_guard guard(mutex_);
      if (!server_ || !server_->is_own()) server_.emplace(preload_);
      if (auto child = try_launch(request)) return child;
      server_.reset();
    }
    throw RuntimeError(fmt::format(
        "{} was not started: the fork server died twice, killed by somebody or by the system",
        name_of(*core)));
  }

  void set_preload(void (*preload)()) {
    const std::lock_guard guard(mutex_);
    preload_ = preload;
  }

 private:
  // Null: the server is dead. REQUIRES: the mutex is held.
  std::shared_ptr<Child> try_launch(detail::Encoder& request) {
    RecordHandle record = take_record(RecordPlace::kServed);
    server_->complete(request, record);
    // Who has no handle to a shared object does not depend on this process's references.
    if (!request.handles().empty()) memory::expect_adoption_by_message(record->adoption);
    std::optional<Answer> answer;
    try {
      answer = server_->ask(request);
    } catch (...) {
      // How much the server has heard is not known: it is another one's turn.
      server_.reset();
      give_up(record, nullptr);
      throw;
    }
    if (!answer) return give_up(record, nullptr), nullptr;
    if (answer->reply.refused != Refused::kNothing) {
      give_up_if_forked(*answer, record);
      throw std::system_error(answer->reply.error, std::generic_category(),
                              refusal_of(answer->reply));
    }
    ExitRecord& shared = *record;
    auto child = std::make_shared<ServedChild>(answer->reply.pid, std::move(answer->pidfd),
                                               std::move(record), server_->serial());
    shared.tell(Go::kGo);
    return child;
  }

  void give_up_if_forked(const Answer& answer, RecordHandle& record) {
    if (answer.reply.pid > 0) return give_up(record, &*server_);
    memory::forget_child(record->adoption);
  }

  os::ForkMutex mutex_;
  std::optional<ServerLink> server_;  // guarded by mutex_
  void (*preload_)() = nullptr;       // same
};

ForkserverLauncher& instance() {
  static constinit os::FirstUse<ForkserverLauncher> launcher;
  return launcher.get();
}

}  // namespace

Launcher& forkserver_launcher() { return instance(); }

}  // namespace process

void set_forkserver_preload(void (*preload)()) { process::instance().set_preload(preload); }

}  // namespace multiprocessing
