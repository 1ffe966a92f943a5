// SPDX-License-Identifier: BSL-1.0
// Processes that fork while they connect to a server, or have one.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <multiprocessing/managers.hpp>
#include <optional>
#include <semaphore>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "child.hpp"
#include "managers/own_socket.hpp"
#include "os/fd.hpp"
#include "os/poll.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using test::Child;
using test::eventually;
using namespace std::chrono_literals;

std::string path_for(const std::string& name) {
  return testing::TempDir() + name + std::to_string(::getpid());
}

// How many sockets this process has.
int open_sockets() {
  int count = 0;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    if (std::filesystem::read_symlink(entry, ignored).string().starts_with("socket:")) ++count;
  }
  return count;
}

// A socket that listens, and whoever connects to it waits until somebody is accepted.
class FullListener {
 public:
  explicit FullListener(const std::string& path) : listening_(make()) {
    at_.sun_family = AF_UNIX;
    path.copy(at_.sun_path, sizeof at_.sun_path - 1);
    EXPECT_EQ(::bind(listening_.get(), address(), sizeof at_), 0);
    EXPECT_EQ(::listen(listening_.get(), 0), 0);
    for (os::Fd next = make(); ::connect(next.get(), address(), sizeof at_) == 0; next = make()) {
      waiting_.push_back(std::move(next));
    }
  }
  /// The first that connected later.
  os::Fd accept() {
    for (std::size_t i = 0; i < waiting_.size(); ++i) static_cast<void>(next());
    return next();
  }

 private:
  static os::Fd make() {
    return os::Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  }
  [[nodiscard]] const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&at_); }
  os::Fd next() {
    pollfd entry{listening_.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&entry, 1, 20'000), 1);
    return os::Fd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

  sockaddr_un at_{};
  os::Fd listening_;
  std::vector<os::Fd> waiting_;
};

TEST(ForkTest, AClientsDeathIsSeenAlsoIfItForkedWhileItConnected) {
  const test::Watchdog watchdog;
  const std::string path = path_for("full");
  FullListener listener(path);
  int alive[2];  // the grandchild ends with its other end
  ASSERT_EQ(::pipe2(alive, O_CLOEXEC), 0);
  int forked[2];
  ASSERT_EQ(::pipe2(forked, O_CLOEXEC), 0);
  Child client([&] {
    const int before = open_sockets();
    std::thread connecting([&] {
      SyncManager manager(Address(path), "secret");
      manager.connect();
    });
    while (open_sockets() == before) std::this_thread::yield();
    if (::fork() == 0) {
      char none = 0;
      ::close(alive[1]);
      ::_exit(static_cast<int>(::read(alive[0], &none, 1)));
    }
    EXPECT_EQ(::write(forked[1], "x", 1), 1);
    connecting.join();
  });
  char mark = 0;
  ASSERT_EQ(::read(forked[0], &mark, 1), 1);
  const os::Fd accepted = listener.accept();

  client.kill();

  pollfd entry{accepted.get(), POLLRDHUP, 0};
  EXPECT_EQ(::poll(&entry, 1, 10'000), 1);
  for (const int fd : {alive[0], alive[1], forked[0], forked[1]}) ::close(fd);
  ::unlink(path.c_str());
}

TEST(ForkTest, AChildThatIsForkedWhileASocketIsMadeDoesNotKeepIt) {
  const test::Watchdog watchdog;
  std::binary_semaphore is_there(0);
  std::binary_semaphore child_ended(0);
  int number = -1;
  managers::OwnSocket own;
  std::thread maker([&] {
    own = managers::OwnSocket::made_by([&] {
      os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      number = fd.get();
      is_there.release();
      std::this_thread::sleep_for(20ms);
      return fd;
    });
    child_ended.acquire();
  });
  is_there.acquire();

  EXPECT_EQ(test::in_child([&] { return ::fcntl(number, F_GETFD) == -1; }), 0);

  child_ended.release();
  maker.join();
  EXPECT_EQ(own.get(), number);
}

TEST(ForkTest, AForkedCopyOfAServerLeavesTheFileOfTheLivingOne) {
  const test::Watchdog watchdog;
  const std::string path = path_for("server");
  SyncManager manager(Address(path), "secret");
  std::optional<Server> server(manager.get_server());

  EXPECT_EQ(test::in_child([&] { server.reset(); }), 0);

  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  server.reset();
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

}  // namespace
}  // namespace multiprocessing
