// SPDX-License-Identifier: BSL-1.0
#include "process/fork_server.hpp"

#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <multiprocessing/detail/callable.hpp>
#include <multiprocessing/errors.hpp>
#include <span>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "os/code.hpp"
#include "os/inherited.hpp"
#include "os/pidfd.hpp"
#include "os/socket.hpp"
#include "os/stdio.hpp"
#include "os/title.hpp"
#include "process/bootstrap.hpp"
#include "process/exit.hpp"
#include "process/report.hpp"
#include "process/start_method.hpp"
#include "process/surroundings.hpp"
#include "process/tree.hpp"

namespace multiprocessing::process {
namespace {

class Server {
 public:
  explicit Server(int channel) : channel_(channel) {
    if (!epoll_) throw std::system_error(errno, std::generic_category(), "cannot make an epoll");
  }

  // The function of set_forkserver_preload, then: ready.
  void greet(memory::Serial owner) {
    {
      HandedOver hello(channel_.get(), {.serial = owner});
      detail::Decoder decoder = hello.decoder();
      owner_ = os::Fd(decoder.read_descriptor());
      const os::Fd records(decoder.read_descriptor());
      records_ = map_served_records(records.get());
      if (decoder.take<bool>()) preload(decoder);
    }
    // What the preload printed would be in each child's buffers.
    os::flush_standard_streams();
    // Children get theirs by the requests.
    detach_streams();
    // What every child would have to do, at the price of copied pages.
    register_exit_hook();
    static_cast<void>(generation());
    static_cast<void>(launcher_named("fork"));
    os::remember_program();
    // This process ends with the program and by nothing else that signals may be: not by a Ctrl-C,
    // nor by what a shutdown sends to all. And no child is hit before it has its own mask.
    os::block_signals(~std::uint64_t{0});
    watch(owner_.get());
    watch(channel_.get());
    answer(memory::self(), {});
  }

  // Returns in children alone, with what they are for.
  std::unique_ptr<ServedRequest> serve() {
    for (;;) {
      epoll_event events[64];
      const int ready = ::epoll_wait(epoll_.get(), events, std::size(events), -1);
      for (int i = 0; i < ready; ++i) {
        const int fd = events[i].data.fd;
        if (fd == owner_.get()) ::_exit(0);
        if (fd != channel_.get()) {
          note_end(fd);
        } else if (auto request = take_request()) {
          return request;
        }
      }
    }
  }

 private:
  struct Forked {
    os::Fd pidfd;
    ExitRecord* record;
  };

  static void preload(detail::Decoder& decoder) {
    try {
      detail::decode_function<void()>(decoder)();
    } catch (...) {
      report_exception("the fork server's preload");
    }
  }

  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      throw std::system_error(errno, std::generic_category(), "cannot watch a descriptor");
    }
  }

  template <class Answer> void answer(Answer answer, std::span<const int> descriptors) {
    iovec part{&answer, sizeof answer};
    send_to({.pidfd = owner_.get()}, channel_.get(), std::span(&part, 1), descriptors);
  }

  // Null in the server.
  std::unique_ptr<ServedRequest> take_request() {
    Refused step = Refused::kDescriptors;
    try {
      auto request = std::make_unique<ServedRequest>(channel_.get(), Peer{.pidfd = owner_.get()});
      step = Refused::kDirectory;
      if (request->front.take<bool>()) assume(assume_surroundings(request->front));
      request->record = records_ + request->front.take<std::uint32_t>();
      step = Refused::kFork;
      const pid_t pid = ::fork();
      if (pid == 0) return become_child(*request), std::move(request);
      if (pid < 0) throw std::system_error(errno, std::generic_category(), "cannot fork");
      welcome(pid, *request->record);
    } catch (const EOFError&) {
      ::_exit(0);
    } catch (const std::system_error& error) {
      answer(ForkReply{-1, step, error.code().value()}, {});
    }
    return nullptr;
  }

  void assume(const os::Inherited& inherited) {
    childrens_ = inherited;
    // A process that ignores it has the kernel throw its children's statuses away.
    os::ignore_signals(inherited.ignored & ~os::signal_bit(SIGCHLD));
  }

  void become_child(ServedRequest& request) {
    // Whoever holds the server's end of its channel keeps the owner from seeing the server's death.
    channel_.reset();
    epoll_.reset();
    request.owner = std::move(owner_);
    // Neither freed nor forgotten: this process would copy pages of the heap for it.
    for (const auto& [pidfd, forked] : forked_) ::close(pidfd);
    if ((childrens_.ignored & os::signal_bit(SIGCHLD)) != 0) ::signal(SIGCHLD, SIG_IGN);
    os::block_signals(childrens_.blocked);
  }

  // Nobody but this process waits for the child, so its number is its own until then.
  void welcome(pid_t pid, ExitRecord& record) {
    try {
      os::Fd pidfd = os::open_pidfd(pid);
      watch(pidfd.get());
      const int riding = pidfd.get();
      answer(ForkReply{pid}, std::span(&riding, 1));
      forked_.emplace(riding, Forked{std::move(pidfd), &record});
    } catch (const std::system_error&) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      throw;
    }
  }

  void note_end(int fd) {
    const auto found = forked_.find(fd);
    if (found == forked_.end()) return;
    int status = 0;
    const os::Reaped reaped = os::reap(found->second.pidfd, status);
    if (reaped == os::Reaped::kNotYet) return;
    // What the program does in the fork server may take its children's statuses.
    if (reaped == os::Reaped::kStolen) {
      status = os::status_after_reaping(found->second.pidfd).value_or(ExitRecord::kUnknownStatus);
    }
    found->second.record->write_status(status);
    // Closing does not do: the owner's copy would keep it here, readable for good.
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    forked_.erase(found);
  }

  os::Fd channel_;
  os::Fd owner_;  // its pidfd
  os::Fd epoll_{::epoll_create1(EPOLL_CLOEXEC)};
  std::unordered_map<int, Forked> forked_;
  ExitRecord* records_ = nullptr;
  os::Inherited childrens_;  // mask and ignored signals
};

// So that the owner knows of the server's death before the server can say anything.
void introduce(pid_t server, int channel, const Peer& owner) {
  const os::Fd pidfd = os::open_pidfd(server);
  const int riding = pidfd.get();
  std::byte filler{1};
  iovec part{&filler, 1};
  send_to(owner, channel, std::span(&part, 1), std::span(&riding, 1));
}

// The owner waits for the process that it started; from here on this is another one.
void leave_owner(int channel, const Peer& owner) {
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "cannot fork");
  if (pid == 0) return;
  introduce(pid, channel, owner);
  ::_exit(0);
}

std::unique_ptr<ServedRequest> serve(int channel, memory::Serial owner) {
  leave_owner(channel, {.serial = owner});
  os::fill_standard_streams();
  os::set_title("mp forkserver");
  memory::set_own_name("fork server");
  // Kept by every child until its end: destructors are for the server alone.
  auto* const server = new Server(channel);
  server->greet(owner);
  return server->serve();
}

std::size_t position_of_front(const HandedOver& message) {
  std::uint64_t position = 0;
  const auto bytes = message.bytes();
  if (bytes.size() < sizeof position) throw ValueError("a request for a child is cut short");
  std::memcpy(&position, bytes.last(sizeof position).data(), sizeof position);
  return position;
}

}  // namespace

ServedRequest::ServedRequest(int channel, const Peer& sender)
    : message(channel, sender), front(message.decoder(position_of_front(message))) {}

void run_fork_server(int channel, memory::Serial owner) noexcept {
  std::unique_ptr<ServedRequest> request;
  try {
    request = serve(channel, owner);
  } catch (const EOFError&) {
    ::_exit(0);  // the owner ended before it said what it wants
  } catch (...) {
    report_exception("fork server");
    ::_exit(1);
  }
  run_served_child(*request, owner);
}

}  // namespace multiprocessing::process
