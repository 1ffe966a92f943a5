// SPDX-License-Identifier: BSL-1.0
// Bad input and faults: what strangers, killed and ended processes do to a server and its clients.
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <optional>
#include <thread>

#include "manager_test.hpp"
#include "os/fd.hpp"
#include "process_state.hpp"

namespace multiprocessing {
namespace {

using test::Clock;
using test::eventually;
using test::ManagerTest;
using test::threads_of;
using namespace std::chrono_literals;

class FaultTest : public ManagerTest {
 protected:
  [[nodiscard]] static int server_pid() { return active_children().front().pid(); }
  /// A bare socket that is connected to the manager's server.
  [[nodiscard]] os::Fd connected() const {
    const std::string path = manager_.address().path();
    sockaddr_un un{};
    un.sun_family = AF_UNIX;
    path.copy(un.sun_path, sizeof un.sun_path);
    os::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&un), size), 0);
    return fd;
  }
};
UNDER_EVERY_START_METHOD(FaultTest);

TEST_P(FaultTest, WhenTheServerIsKilledAllThatWaitsGetsEOFErrorAtOnce) {
  const auto queue = manager_.Queue<int>();
  const auto event = manager_.Event();
  LockProxy lock = manager_.Lock();
  lock.acquire();
  BarrierProxy barrier = manager_.Barrier(2);
  std::atomic<int> told{0};
  const auto expect_end = [&](auto call) {
    return std::thread([&told, call] {
      EXPECT_THROW(call(), EOFError);
      ++told;
    });
  };
  std::array threads{expect_end([&] { static_cast<void>(queue.get()); }),
                     expect_end([&] { event.wait(); }), expect_end([&] { lock.acquire(); }),
                     expect_end([&] { barrier.wait(); })};
  EXPECT_TRUE(eventually([&] { return barrier.n_waiting() == 1; }));

  const auto begin = Clock::now();
  ::kill(server_pid(), SIGKILL);
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(told, 4);
  EXPECT_LT(Clock::now() - begin, 5s);
  EXPECT_THROW(queue.put(1), EOFError);
}

TEST_P(FaultTest, AGuardThatOutlivesTheServerEndsQuietly) {
  LockProxy lock = manager_.Lock();
  SemaphoreProxy semaphore = manager_.Semaphore(1);
  const auto hold_both = [&] {
    const std::scoped_lock guard(lock, semaphore);
    ::kill(server_pid(), SIGKILL);
    semaphore.acquire();
  };

  EXPECT_THROW(hold_both(), EOFError);
  EXPECT_ANY_THROW(lock.release());
}

TEST_P(FaultTest, ACallAfterTheServerWasKilledIsAnEOFErrorWhetherItsConnectionWasUsedOrNot) {
  const auto list = manager_.list<int>({1});
  const int server = server_pid();
  ::kill(server, SIGKILL);
  // Its sockets are closed before it is to be waited for.
  ASSERT_TRUE(eventually([&] { return active_children().empty(); }));

  EXPECT_THROW(static_cast<void>(list.size()), EOFError);
  // This one has to make a connection.
  EXPECT_THROW(static_cast<void>(list.size()), EOFError);
}

TEST_P(FaultTest, ShutdownDoesNotWaitForCallsThatWait) {
  const auto queue = manager_.Queue<int>();
  std::thread waiting([&] { EXPECT_THROW(static_cast<void>(queue.get()), EOFError); });
  // A call beside the one that waits needs a connection, and a thread, of its own.
  EXPECT_TRUE(eventually([&] { return queue.empty() && threads_of(server_pid()) >= 3; }));

  manager_.shutdown();

  waiting.join();
  EXPECT_TRUE(manager_.join(0s));
}

TEST_P(FaultTest, StrangersAndHalfOpenClientsKeepNobodyWaiting) {
  const os::Fd silent = connected();
  const os::Fd noisy = connected();
  const std::string nonsense(100'000, 'x');
  static_cast<void>(::send(noisy.get(), nonsense.data(), nonsense.size(), MSG_NOSIGNAL));
  { const os::Fd gone = connected(); }

  const auto list = manager_.list<int>({1});

  EXPECT_EQ(list[0], 1);
  BaseManager stranger(manager_.address(), "wrong");
  EXPECT_THROW(stranger.connect(), AuthenticationError);
  EXPECT_EQ(list[0], 1);
}

TEST_P(FaultTest, EndedConnectionsFreeTheirThreads) {
  const auto queue = manager_.Queue<int>();
  const auto waits = manager_.list<int>();
  const int before = threads_of(server_pid());
  std::vector<Process> children;
  for (int i = 0; i < 8; ++i) {
    children.push_back(context_.Process(
        [](QueueProxy<int> q, ListProxy<int> w) {
          w.append(1);
          static_cast<void>(q.get());
        },
        queue, waits));
    children.back().start();
  }
  EXPECT_TRUE(eventually([&] { return waits.size() == 8; }, 20s));
  EXPECT_GE(threads_of(server_pid()), before + 8);

  for (Process& child : children) child.kill();
  for (Process& child : children) child.join();

  EXPECT_TRUE(eventually([&] { return threads_of(server_pid()) <= before; }));
}

TEST_P(FaultTest, ServesTwoHundredClientsThatAllWait) {
  const auto event = manager_.Event();
  const auto done = manager_.list<int>();
  std::vector<std::thread> clients;
  for (int i = 0; i < 200; ++i) {
    clients.emplace_back([&, i] {
      event.wait();
      done.append(i);
    });
  }
  EXPECT_TRUE(eventually([&] { return threads_of(server_pid()) >= 200; }, 30s));

  event.set();
  for (std::thread& client : clients) client.join();

  EXPECT_EQ(done.size(), 200U);
}

TEST_P(FaultTest, AMessageLongerThanTheLimitIsAValueErrorOnEitherSide) {
  SyncManager manager(ManagerOptions{.max_message_bytes = 10'000});
  manager.start();
  const auto list = manager.list<std::string>();
  const auto queue = manager.Queue<std::string>();

  EXPECT_THROW(list.append(std::string(20'000, 'x')), ValueError);
  for (int i = 0; i < 3; ++i) list.append(std::string(5'000, 'x'));

  EXPECT_THROW(static_cast<void>(list.copy()), ValueError);
  EXPECT_EQ(list.size(), 3U);
}

TEST_P(FaultTest, AnArgumentThatCannotBeReadIsATypeErrorAndTheConnectionGoesOn) {
  const auto numbers = manager_.list<int>({1});

  EXPECT_THROW(numbers.call<void>("append", std::vector<std::string>{"x"}), TypeError);
  EXPECT_THROW(numbers.call<void>("append"), TypeError);
  EXPECT_THROW(numbers.call<void>("append", std::int64_t{1} << 40), ValueError);

  EXPECT_EQ(numbers.copy(), (std::vector<int>{1}));
}

TEST_P(FaultTest, AMessageOfManyMegabytesGoesBothWays) {
  const auto list = manager_.list<std::vector<int>>();
  std::vector<int> large(5'000'000);
  large.back() = 7;

  list.append(large);

  EXPECT_EQ(list.at(0), large);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// How much address space this process may still take.
void limit_room(std::size_t bytes) {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  file >> pages;
  rlimit limit{};
  ::getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + bytes;
  ::setrlimit(RLIMIT_AS, &limit);
}

TEST_P(FaultTest, AReplyLongerThanTheMemoryIsAnErrorOfThatCallAloneAndTheClientKeepsItsLocks) {
  const auto rows = manager_.dict<std::string, std::vector<double>>();
  LockProxy lock = manager_.Lock();
  rows["small"] = {1};
  rows["large"] = std::vector<double>(std::size_t{10} << 20, 7);

  EXPECT_EQ(test::in_child([&] {
              lock.acquire();
              EXPECT_EQ(rows.at("small").size(), 1U);
              limit_room(std::size_t{70} << 20);
              EXPECT_THROW(static_cast<void>(rows.at("large")), std::bad_alloc);
              EXPECT_EQ(rows.at("small"), std::vector<double>{1});
              EXPECT_TRUE(lock.locked());
              lock.release();
              return testing::Test::HasFailure() ? 1 : 0;
            }),
            0);
}
#endif

TEST_P(FaultTest, AServerEndsWithWhoStartedIt) {
  Queue<int> pids;
  auto starter = context_.Process(
      [](Queue<int> tell) {
        const Manager manager;
        tell.put(active_children().front().pid());
        for (;;) ::pause();
      },
      pids);
  starter.start();
  const int server = pids.get();

  starter.kill();
  starter.join();

  EXPECT_TRUE(eventually([&] { return ::kill(server, 0) != 0; }, 10s));
}

}  // namespace
}  // namespace multiprocessing
