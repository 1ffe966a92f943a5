// SPDX-License-Identifier: BSL-1.0
// Listener and Client without a key: addresses, accepting, closing, and what can go wrong.
#include "listener_test.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/stat.h>

#include <cerrno>
#include <future>
#include <map>
#include <string>
#include <thread>

#include "child.hpp"
#include "connection_test.hpp"
#include "signal_storm.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::bytes_of;
using test::errno_of;

class ListenerTest : public testing::Test {
 protected:
  test::Folder folder;
  test::Watchdog watchdog{60s};
};

TEST_F(ListenerTest, AcceptsAtEveryKindOfAddress) {
  for (const Address& address : test::all_kinds(folder)) {
    SCOPED_TRACE(address.str());
    Listener listener(address);
    Connection client = Client(listener.address());
    Connection server = listener.accept();
    client.send(std::map<std::string, int>{{"a", 1}});
    EXPECT_EQ((server.recv<std::map<std::string, int>>()), (std::map<std::string, int>{{"a", 1}}));
    server.send_bytes("back");
    EXPECT_EQ(client.recv_bytes(), bytes_of("back"));
    server.close();
    EXPECT_THROW(static_cast<void>(client.recv_bytes()), EOFError);
  }
}

TEST_F(ListenerTest, TheAddressTellsTheFreePortAndTheMadeUpPath) {
  const Listener internet({"127.0.0.1", 0});
  EXPECT_EQ(internet.address().host(), "127.0.0.1");
  EXPECT_GT(internet.address().port(), 0);
  const Listener one;
  const Listener other;
  EXPECT_EQ(one.address().path().front(), '\0') << "nothing that could be left behind";
  EXPECT_NE(one.address(), other.address());
  const Listener file(folder / "s");
  EXPECT_EQ(file.address(), Address(folder / "s"));
}

TEST_F(ListenerTest, LastAcceptedIsThePeersAddress) {
  Listener internet({"127.0.0.1", 0});
  EXPECT_FALSE(internet.last_accepted().has_value());
  Connection client = Client(internet.address());
  Connection server = internet.accept();
  ASSERT_TRUE(internet.last_accepted().has_value());
  EXPECT_EQ(internet.last_accepted()->host(), "127.0.0.1");
  EXPECT_GT(internet.last_accepted()->port(), 0);
  Listener local;
  Connection client2 = Client(local.address());
  Connection server2 = local.accept();
  EXPECT_EQ(local.last_accepted(), Address());
}

TEST_F(ListenerTest, AClientMaySendAndCloseBeforeItIsAccepted) {
  for (const Address& address : test::all_kinds(folder)) {
    Listener listener(address);
    Connection client = Client(listener.address());
    client.send_bytes("early");
    client.close();
    Connection server = listener.accept();
    EXPECT_TRUE(server.poll(5s));
    EXPECT_EQ(server.recv_bytes(), bytes_of("early"));
    EXPECT_THROW(static_cast<void>(server.recv_bytes()), EOFError);
  }
}

TEST_F(ListenerTest, AnAddressInUseIsAnError) {
  for (const Address& address : test::all_kinds(folder)) {
    if (address.empty()) continue;
    SCOPED_TRACE(address.str());
    const Listener listener(address);
    EXPECT_EQ(errno_of([&] { Listener second(listener.address()); }), EADDRINUSE);
    EXPECT_TRUE(connection::wait({listener}, 0s).empty()) << "who tried is no guest";
    Connection still_there = Client(listener.address());
  }
}

TEST_F(ListenerTest, TheErrorNamesTheAddress) {
  const Listener listener({"127.0.0.1", 0});
  try {
    Listener second(listener.address());
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find(listener.address().str()), std::string::npos)
        << error.what();
  }
}

TEST_F(ListenerTest, APortIsFreeAgainAtOnceAfterItsUse) {
  Listener first({"127.0.0.1", 0});
  const Address address = first.address();
  Connection client = Client(address);
  Connection server = first.accept();
  server.close();
  first.close();
  Listener second(address);
  Connection again = Client(address);
}

TEST_F(ListenerTest, APathThatIsTooLongIsAnErrorThatSaysHowLongItMayBe) {
  EXPECT_EQ(errno_of([] { Listener listener("/tmp/" + std::string(200, 'x')); }), ENAMETOOLONG);
  EXPECT_EQ(errno_of([] { static_cast<void>(Client("/tmp/" + std::string(200, 'x'))); }),
            ENAMETOOLONG);
  try {
    Listener listener(std::string(108, 'x'));
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("107"), std::string::npos) << error.what();
  }
  std::string longest = folder / "";
  longest.resize(107, 'x');
  const Listener listener(longest);
  EXPECT_EQ(Client(longest).closed(), false);
}

TEST_F(ListenerTest, AFileThatAKilledProcessLeftIsReplaced) {
  const std::string path = folder / "s";
  test::Child killed([&] {
    const Listener listener(path);
    ::kill(::getpid(), SIGKILL);
  });
  ASSERT_EQ(killed.wait(), -SIGKILL);
  ASSERT_TRUE(std::filesystem::exists(path));

  Listener listener(path);

  Connection client = Client(path);
  Connection server = listener.accept();
}

TEST_F(ListenerTest, AFileThatIsNoSocketIsNotReplaced) {
  const std::string path = folder / "s";
  ASSERT_EQ(::mkdir(path.c_str(), 0700), 0);
  EXPECT_EQ(errno_of([&] { Listener listener(path); }), EADDRINUSE);
  EXPECT_TRUE(std::filesystem::is_directory(path));
}

TEST_F(ListenerTest, OfManyThatReplaceALeftFileAtOnceOneListens) {
  const std::string path = folder / "s";
  for (int round = 0; round < 20; ++round) {
    ASSERT_EQ(test::in_child([&] {
                const Listener listener(path);
                ::kill(::getpid(), SIGKILL);
              }),
              -SIGKILL);
    auto [done, close_to_end] = Pipe(false);
    std::vector<test::Child> children;
    for (int i = 0; i < 4; ++i) {
      children.emplace_back([&, &hold = done, &close_me = close_to_end] {
        close_me.close();
        try {
          Listener listener(path);
          EXPECT_THROW(static_cast<void>(hold.recv<int>()), EOFError);
          return Client(path).closed() ? 2 : 0;
        } catch (const std::system_error& error) {
          static_cast<void>(hold.poll(30s));
          return error.code().value() == EADDRINUSE ? 1 : 3;
        }
      });
    }
    std::this_thread::sleep_for(5ms);
    done.close();
    close_to_end.close();
    int listening = 0;
    for (test::Child& child : children) {
      const int code = child.wait();
      EXPECT_LE(code, 1);
      listening += code == 0;
    }
    EXPECT_GE(listening, 1);
  }
}

TEST_F(ListenerTest, TheLastHandleInItsProcessRemovesTheFile) {
  const std::string path = folder / "s";
  {
    std::optional<Listener> first(path);
    const Listener copy = *first;
    first.reset();
    EXPECT_TRUE(std::filesystem::exists(path));
    Connection client = Client(path);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(ListenerTest, CloseRemovesTheFileAndNotThatOfASuccessor) {
  const std::string path = folder / "s";
  Listener first(path);
  std::filesystem::remove(path);
  const Listener second(path);
  first.close();
  first.close();
  EXPECT_TRUE(std::filesystem::exists(path));
  Connection client = Client(path);
}

TEST_F(ListenerTest, ACopyInAForkedChildClosesNothingElse) {
  const std::string path = folder / "s";
  Listener listener(path);
  EXPECT_EQ(test::in_child([&] {
              const Listener last = std::move(listener);
              listener.close();
            }),
            0);
  EXPECT_EQ(test::in_child([&] { listener.close(); }), 0);
  EXPECT_TRUE(std::filesystem::exists(path));
  Connection client = Client(path);
  Connection server = listener.accept();
}

TEST_F(ListenerTest, TheFileIsFoundWhereItWasMadeAfterAChangeOfDirectory) {
  EXPECT_EQ(test::in_child([&] {
              std::filesystem::current_path(folder / "");
              Listener listener("s");
              std::filesystem::current_path("/");
            }),
            0);
  EXPECT_TRUE(folder.empty());
}

TEST_F(ListenerTest, UseAfterCloseIsEbadf) {
  Listener listener;
  const Address address = listener.address();
  EXPECT_FALSE(listener.closed());
  listener.close();
  EXPECT_TRUE(listener.closed());
  EXPECT_EQ(errno_of([&] { static_cast<void>(listener.accept()); }), EBADF);
  EXPECT_EQ(errno_of([&] { static_cast<void>(listener.fileno()); }), EBADF);
  EXPECT_EQ(errno_of([&] { static_cast<void>(Client(address)); }), ECONNREFUSED);
  const Listener moved = std::move(listener);
  EXPECT_EQ(errno_of([&] { static_cast<void>(listener.accept()); }), EBADF);
}

TEST_F(ListenerTest, CloseEndsAnAcceptInAnotherThread) {
  Listener listener;
  std::thread closer([&] {
    std::this_thread::sleep_for(20ms);
    listener.close();
  });
  EXPECT_EQ(errno_of([&] { static_cast<void>(listener.accept()); }), EBADF);
  closer.join();
}

TEST_F(ListenerTest, AcceptGivesUpAfterItsTimeout) {
  Listener listener;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THROW(static_cast<void>(listener.accept(30ms)), TimeoutError);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 30ms);
  EXPECT_THROW(static_cast<void>(listener.accept(0s)), TimeoutError);
  Connection client = Client(listener.address());
  Connection server = listener.accept(0s);
}

TEST_F(ListenerTest, SignalsDoNotDisturbAccept) {
  Listener listener;
  test::Child child([address = listener.address()] {
    std::this_thread::sleep_for(50ms);
    const test::SignalStorm storm;
    Connection client = Client(address);
    client.send_bytes("x");
    return client.recv_bytes().size() == 1;
  });
  const test::SignalStorm storm;
  Connection server = listener.accept();
  EXPECT_EQ(server.recv_bytes(), bytes_of("x"));
  server.send_bytes("y");
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(ListenerTest, AClientIsToldThatNobodyListens) {
  Listener listener({"127.0.0.1", 0});
  const Address address = listener.address();
  listener.close();
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(errno_of([&] { static_cast<void>(Client(address)); }), ECONNREFUSED);
  }
  EXPECT_EQ(errno_of([&] { static_cast<void>(Client(folder / "nothing")); }), ENOENT);
  EXPECT_EQ(errno_of([] { static_cast<void>(Client("\0mp-test-nobody")); }), ECONNREFUSED);
  EXPECT_THROW(static_cast<void>(Client(Address())), ValueError);
  EXPECT_NE(errno_of([] { static_cast<void>(Client({"no.such.host.invalid", 1})); }), 0);
}

TEST_F(ListenerTest, AClientDoesNotWaitLongerThanItsTimeout) {
  const Listener listener({.backlog = 0});
  std::vector<Connection> waiting;
  EXPECT_THROW(
      {
        for (int i = 0; i < 100; ++i) {
          waiting.push_back(Client({.timeout = 30ms}, listener.address()));
        }
      },
      TimeoutError);
}

TEST_F(ListenerTest, AClientWaitsForRoomInTheBacklog) {
  Listener listener({.backlog = 0});
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(
        [&] { EXPECT_EQ(Client(listener.address()).recv_bytes(), bytes_of("hi")); });
  }
  for (int i = 0; i < 8; ++i) listener.accept().send_bytes("hi");
  for (std::thread& client : clients) client.join();
}

TEST_F(ListenerTest, OptionsComeFirst) {
  Listener listener({.backlog = 3, .max_message_bytes = 10}, {"127.0.0.1", 0}, "key");
  auto client = std::async(std::launch::async, [&] {
    return Client({.timeout = 30s, .authkey = "key"}, listener.address());
  });
  Connection server = listener.accept();
  client.get().send_bytes("0123456789");
  EXPECT_EQ(server.recv_bytes().size(), 10U);
  EXPECT_THROW(Listener({.backlog = -1}), ValueError);
}

TEST_F(ListenerTest, AMessageLongerThanTheLimitIsRefusedUnread) {
  Listener listener({.max_message_bytes = 10});
  Connection client = Client({.max_message_bytes = 3}, listener.address());
  Connection server = listener.accept();
  server.send_bytes("abc");
  EXPECT_EQ(client.recv_bytes(), bytes_of("abc"));
  client.send_bytes("0123456789a");
  EXPECT_EQ(errno_of([&] { static_cast<void>(server.recv_bytes()); }), EMSGSIZE);
  EXPECT_FALSE(server.readable());
  EXPECT_TRUE(server.writable());
  server.send(1);  // typed: more than 3 bytes
  EXPECT_EQ(errno_of([&] { static_cast<void>(client.recv<int>()); }), EMSGSIZE);
}

// What is under way to a host that has vanished is sent again at most ten seconds later each time,
// fifteen times; by the system's own choice that takes 15 minutes.
TEST_F(ListenerTest, AHostThatVanishedWithSomethingUnderWayIsNoticedAsSoonAsAnyOther) {
  constexpr int kTcpRtoMaxMs = 44;
  const auto ends = test::through_listener({"127.0.0.1", 0});
  for (const Connection& end : {ends.first, ends.second}) {
    int longest = 0;
    socklen_t size = sizeof longest;
    if (::getsockopt(end.fileno(), IPPROTO_TCP, kTcpRtoMaxMs, &longest, &size) == 0) {
      EXPECT_EQ(longest, 10'000);
    } else {
      EXPECT_EQ(errno, ENOPROTOOPT) << "Linux before 6.15 does not have it";
    }
  }
}

TEST_F(ListenerTest, IsClosedOnExecAndLeaksNoDescriptors) {
  static_cast<void>(Pipe());  // shared memory is opened once for the whole process
  const std::size_t before = test::open_descriptors();
  {
    Listener listener(folder / "s");
    Connection client = Client(listener.address());
    Connection server = listener.accept();
    for (const int fd : {listener.fileno(), client.fileno(), server.fileno()}) {
      EXPECT_EQ(::fcntl(fd, F_GETFD), FD_CLOEXEC);
    }
    EXPECT_THROW(Listener second(folder / "s"), std::system_error);
    EXPECT_THROW(static_cast<void>(Client(folder / "none")), std::system_error);
  }
  EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace multiprocessing
