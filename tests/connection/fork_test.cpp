// SPDX-License-Identifier: BSL-1.0
// A fork while another thread has descriptors that the child is not to have: the pipe of a large
// message belongs to its sender and receiver alone, what is parked to nobody.
#include <dlfcn.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <multiprocessing/connection.hpp>
#include <thread>

#include "child.hpp"
#include "connection/parking.hpp"
#include "connection_test.hpp"
#include "watchdog.hpp"

namespace {

// Another thread may fork here, as long as this takes.
std::atomic<bool> fork_now{false};
std::atomic<bool> forked{false};
void invite_fork() {
  fork_now = true;
  multiprocessing::test::eventually([] { return forked.load(); }, std::chrono::milliseconds(300));
}

std::atomic<bool> invite_when_made{false};
std::atomic<bool> invite_when_received{false};

bool carries_descriptors(const msghdr& message) { return message.msg_controllen != 0; }

}  // namespace

// In place of the system's own.
extern "C" int pipe2(int ends[2], int flags) noexcept {
  static const auto real = reinterpret_cast<int (*)(int*, int)>(::dlsym(RTLD_NEXT, "pipe2"));
  const int result = real(ends, flags);
  if (invite_when_made.exchange(false)) invite_fork();
  return result;
}

extern "C" ssize_t recvmsg(int fd, msghdr* message, int flags) {
  static const auto real =
      reinterpret_cast<ssize_t (*)(int, msghdr*, int)>(::dlsym(RTLD_NEXT, "recvmsg"));
  const ssize_t result = real(fd, message, flags);
  if (result > 0 && carries_descriptors(*message) && invite_when_received.exchange(false)) {
    invite_fork();
  }
  return result;
}

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;

class ForkTest : public testing::Test {
 protected:
  ForkTest() {
    fork_now = false;
    forked = false;
  }

  // How many ends of pipes of the kernel's this process has.
  static int pipe_ends() {
    int count = 0;
    for (int fd = 0; fd < 1000; ++fd) count += test::link_of(fd).starts_with("pipe:") ? 1 : 0;
    return count;
  }

  // Forks when it is invited; how many ends the child has more than there were before.
  [[nodiscard]] static int fork_when_invited(int before) {
    while (!fork_now) std::this_thread::yield();
    test::Child child([=] { return pipe_ends() - before; });
    forked = true;
    return child.wait();
  }

  test::Watchdog watchdog{60s};
};

TEST_F(ForkTest, AChildGetsNoEndThatAnotherThreadHasJustMade) {
  auto [reader, writer] = Pipe(false);
  const int before = pipe_ends();
  invite_when_made = true;
  std::thread sender([&w = writer] { w.send_bytes(test::pattern(1'000'000)); });
  EXPECT_EQ(fork_when_invited(before), 0);
  EXPECT_EQ(reader.recv_bytes(), test::pattern(1'000'000));
  sender.join();
}

TEST_F(ForkTest, AChildGetsNoEndThatAnotherThreadHasJustReceived) {
  auto [reader, writer] = Pipe(false);
  const int before = pipe_ends();
  test::Child sender([&w = writer] { w.send_bytes(test::pattern(1'000'000)); });
  invite_when_received = true;
  std::thread receiver([&r = reader] { EXPECT_EQ(r.recv_bytes(), test::pattern(1'000'000)); });
  EXPECT_EQ(fork_when_invited(before), 0);
  receiver.join();
  EXPECT_EQ(sender.wait(), 0);
}

TEST_F(ForkTest, AChildGetsNoCopyOfWhatIsParkedWhenAnotherThreadMovesIt) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const os::Fd reader(ends[0]);
  os::Fd writer(ends[1]);
  const auto in_front = connection::park(std::vector{writer.get()});
  auto behind = connection::park(std::vector{STDIN_FILENO});
  writer.reset();
  const int before = pipe_ends();
  invite_when_received = true;
  std::thread releaser([&] { behind.clear(); });
  EXPECT_EQ(fork_when_invited(before), 0);
  releaser.join();
}

}  // namespace
}  // namespace multiprocessing
