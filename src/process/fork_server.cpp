// SPDX-License-Identifier: BSL-1.0
#include "process/fork_server.hpp"

#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <map>
#include <memory>
#include <multiprocessing/detail/callable.hpp>
#include <multiprocessing/errors.hpp>
#include <span>
#include <system_error>
#include <unordered_map>
#include <vector>

#include "os/pidfd.hpp"
#include "os/socket.hpp"
#include "os/title.hpp"
#include "process/bootstrap.hpp"
#include "process/exit_record.hpp"
#include "process/handover.hpp"
#include "process/report.hpp"

namespace multiprocessing::process {
namespace {

template <class T> std::span<std::byte> bytes_of(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

class Server {
 public:
  explicit Server(int channel) : channel_(channel) {
    if (!epoll_) throw std::system_error(errno, std::generic_category(), "cannot make an epoll");
  }

  // The functions of set_forkserver_preload, then: ready.
  void greet() {
    {
      HandedOver hello(channel_.get());
      detail::Decoder decoder = hello.decoder();
      owner_ = os::Fd(decoder.read_descriptor());
      const auto functions = decoder.take<std::uint32_t>();
      for (std::uint32_t i = 0; i < functions; ++i) preload(decoder);
    }
    // Ctrl-C ends the program, and with it this process; the children end by it themselves. Blocked
    // and not ignored: a child that it hits at birth is to have it.
    sigset_t interrupt;
    ::sigemptyset(&interrupt);
    ::sigaddset(&interrupt, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &interrupt, &mask_before_);
    watch(owner_.get());
    watch(channel_.get());
    memory::Serial self = memory::self();
    answer(bytes_of(self), {});
  }

  // Returns in children alone, with the channel to their parent.
  int serve() {
    for (;;) {
      epoll_event events[64];
      const int ready = ::epoll_wait(epoll_.get(), events, std::size(events), -1);
      for (int i = 0; i < ready; ++i) {
        const int fd = events[i].data.fd;
        if (fd == owner_.get()) ::_exit(0);
        if (fd != channel_.get()) {
          note_end(fd);
        } else if (const int child = take_request(); child >= 0) {
          return child;
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

  void answer(std::span<std::byte> bytes, std::span<const int> descriptors) {
    iovec part{bytes.data(), bytes.size()};
    os::send_packet(channel_.get(), std::span(&part, 1), descriptors);
  }

  void refuse(int error) {
    ForkReply reply{-1, error};
    answer(bytes_of(reply), {});
  }

  // In the child: its channel. In the server: -1.
  int take_request() {
    ForkRequest request{};
    std::vector<os::Fd> riding;
    const os::Packet packet = os::receive_packet(channel_.get(), bytes_of(request), riding);
    if (packet.bytes == 0) ::_exit(0);
    if (packet.descriptors_lost || riding.empty()) return refuse(EMFILE), -1;
    try {
      ExitRecord& record = record_in(page(request.record_page), request.record);
      const pid_t pid = ::fork();
      if (pid == 0) return become_child(std::move(riding.front()));
      if (pid < 0) return refuse(errno), -1;
      welcome(pid, record);
    } catch (const std::system_error& error) {
      refuse(error.code().value());
    }
    return -1;
  }

  int become_child(os::Fd channel) {
    // Whoever holds the server's end of its channel keeps the owner from seeing the server's death.
    channel_.reset();
    epoll_.reset();
    owner_.reset();
    forked_.clear();
    ::pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
    return channel.release();
  }

  // Nobody but this process waits for the child, so its number is its own until then.
  void welcome(pid_t pid, ExitRecord& record) {
    try {
      os::Fd pidfd = os::open_pidfd(pid);
      watch(pidfd.get());
      ForkReply reply{pid, 0};
      const int riding = pidfd.get();
      forked_.emplace(riding, Forked{std::move(pidfd), &record});
      answer(bytes_of(reply), std::span(&riding, 1));
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
    if (os::reap(found->second.pidfd, status) != os::Reaped::kTaken) return;
    found->second.record->write_status(status);
    forked_.erase(found);
  }

  // Pages are few and used again: this process keeps its references to them.
  const memory::Handle& page(memory::Offset offset) {
    auto found = pages_.find(offset);
    if (found == pages_.end()) found = pages_.emplace(offset, memory::adopt(offset)).first;
    return found->second;
  }

  os::Fd channel_;
  os::Fd owner_;  // its pidfd
  os::Fd epoll_{::epoll_create1(EPOLL_CLOEXEC)};
  std::unordered_map<int, Forked> forked_;
  std::map<memory::Offset, memory::Handle> pages_;
  sigset_t mask_before_{};
};

// The owner waits for the process that it started; from here on this is another one.
void leave_owner() {
  const pid_t pid = ::fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "cannot fork");
  if (pid > 0) ::_exit(0);
}

int serve(int channel) {
  leave_owner();
  os::set_title("mp forkserver");
  memory::set_own_name("fork server");
  // Kept by every child until its end: destructors are for the server alone.
  auto* const server = new Server(channel);
  server->greet();
  return server->serve();
}

}  // namespace

void run_fork_server(int channel, memory::Serial owner) noexcept {
  int of_child = -1;
  try {
    of_child = serve(channel);
  } catch (const EOFError&) {
    ::_exit(0);  // the owner ended before it said what it wants
  } catch (...) {
    report_exception("fork server");
    ::_exit(1);
  }
  run_fresh_child(of_child, owner);
}

}  // namespace multiprocessing::process
