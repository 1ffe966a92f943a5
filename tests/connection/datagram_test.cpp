// SPDX-License-Identifier: BSL-1.0
// Datagrams by UDP and by Unix sockets.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <future>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/datagram.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "child.hpp"
#include "connection_test.hpp"
#include "listener_test.hpp"
#include "signal_storm.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::errno_of;

class DatagramTest : public testing::Test {
 protected:
  test::Folder folder;
  test::Watchdog watchdog{60s};
};

TEST_F(DatagramTest, GoesThereAndBackAtEveryKindOfAddress) {
  const test::Folder others;
  const auto here = test::all_kinds(folder);
  auto there = test::all_kinds(others);
  there[5] = Address(there[5].path() + "-");  // abstract names know no folders
  for (std::size_t i = 0; i < here.size(); ++i) {
    SCOPED_TRACE(here[i].str());
    DatagramSocket server(here[i]);
    DatagramSocket client(there[i]);
    client.sendto("ping", server.address());
    const Datagram ping = server.recvfrom();
    EXPECT_EQ(ping.text(), "ping");
    server.sendto("pong", ping.from);
    auto [bytes, from] = client.recvfrom();
    EXPECT_EQ(bytes, test::bytes_of("pong"));
    EXPECT_TRUE(here[i].host().empty() || from == server.address()) << from;
  }
}

TEST_F(DatagramTest, MessagesStayWholeAndAnEmptyOneIsNoEnd) {
  DatagramSocket udp({"127.0.0.1", 0});
  DatagramSocket local(folder / "s");
  for (DatagramSocket* socket : {&udp, &local}) {
    for (const std::size_t size : {0U, 1U, 1'000U, 65'507U, 0U, 3U}) {
      const auto message = test::pattern(size);
      socket->sendto(message, socket->address());
      EXPECT_EQ(socket->recvfrom().bytes, message);
    }
    socket->sendto("a", socket->address());
    socket->sendto("b", socket->address());
    EXPECT_EQ(socket->recvfrom().text(), "a");
    EXPECT_EQ(socket->recvfrom().text(), "b");
    EXPECT_THROW(static_cast<void>(socket->recvfrom(0s)), TimeoutError);
  }
}

TEST_F(DatagramTest, AUnixSocketTakesMoreThanUdpDoes) {
  DatagramSocket socket;
  const auto message = test::pattern(150'000);
  socket.sendto(message, socket.address());
  EXPECT_EQ(socket.recvfrom().bytes, message);
  socket.sendto("short", socket.address());
  EXPECT_EQ(socket.recvfrom().text(), "short");
}

TEST_F(DatagramTest, AMessageThatIsTooLongIsAnErrorThatSaysSo) {
  DatagramSocket udp({"127.0.0.1", 0});
  EXPECT_EQ(errno_of([&] { udp.sendto(test::pattern(65'508), udp.address()); }), EMSGSIZE);
  DatagramSocket local;
  EXPECT_EQ(errno_of([&] { local.sendto(test::pattern(10'000'000), local.address()); }), EMSGSIZE);
}

TEST_F(DatagramTest, APeerWithoutAnAddressIsHeard) {
  DatagramSocket socket;
  const int raw = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const sockaddr_un to = test::raw_address(socket.address());
  ASSERT_EQ(::sendto(raw, "hi", 2, 0, reinterpret_cast<const sockaddr*>(&to),
                     test::raw_size(socket.address())),
            2);
  const Datagram heard = socket.recvfrom();
  EXPECT_EQ(heard.text(), "hi");
  EXPECT_TRUE(heard.from.empty());
  EXPECT_THROW(socket.sendto("who?", heard.from), ValueError);
  ::close(raw);
}

TEST_F(DatagramTest, SendingWhereNobodyIsIsAnErrorOverUnixSocketsAndNoneOverUdp) {
  DatagramSocket local;
  EXPECT_EQ(errno_of([&] { local.sendto("x", folder / "none"); }), ENOENT);
  {
    test::Child killed([&] {
      const DatagramSocket socket(folder / "killed");
      ::kill(::getpid(), SIGKILL);
    });
    ASSERT_EQ(killed.wait(), -SIGKILL);
  }
  EXPECT_EQ(errno_of([&] { local.sendto("x", folder / "killed"); }), ECONNREFUSED);
  DatagramSocket udp({"127.0.0.1", 0});
  const Address gone = DatagramSocket({"127.0.0.1", 0}).address();
  for (int i = 0; i < 3; ++i) EXPECT_NO_THROW(udp.sendto("x", gone));
  EXPECT_THROW(static_cast<void>(udp.recvfrom(10ms)), TimeoutError);
}

TEST_F(DatagramTest, AnAddressOfAnotherKindIsAnError) {
  DatagramSocket udp({"127.0.0.1", 0});
  EXPECT_EQ(errno_of([&] { udp.sendto("x", folder / "s"); }), EAFNOSUPPORT);
  EXPECT_EQ(errno_of([&] { udp.sendto("x", {"::1", 9}); }), EAFNOSUPPORT);
  try {
    udp.sendto("x", folder / "s");
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find(folder / "s"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find(udp.address().str()), std::string::npos);
  }
}

TEST_F(DatagramTest, AnAddressInUseIsAnErrorAndAKilledProcesssFileIsReplaced) {
  const DatagramSocket udp({"127.0.0.1", 0});
  EXPECT_EQ(errno_of([&] { DatagramSocket second(udp.address()); }), EADDRINUSE);
  const std::string path = folder / "s";
  test::Child killed([&] {
    const DatagramSocket socket(path);
    ::kill(::getpid(), SIGKILL);
  });
  ASSERT_EQ(killed.wait(), -SIGKILL);
  DatagramSocket local(path);
  EXPECT_EQ(errno_of([&] { DatagramSocket second(path); }), EADDRINUSE);
  EXPECT_EQ(errno_of([&] { Listener second(path); }), EADDRINUSE);
  EXPECT_THROW(static_cast<void>(local.recvfrom(0s)), TimeoutError) << "who tried sent nothing";
  EXPECT_EQ(errno_of([&] { DatagramSocket longer(std::string(108, 'x')); }), ENAMETOOLONG);
}

TEST_F(DatagramTest, TheLastHandleInItsProcessRemovesTheFile) {
  {
    DatagramSocket socket(folder / "s");
    const DatagramSocket copy = socket;
    test::Child child([&] { socket.close(); });
    EXPECT_EQ(child.wait(), 0);
    EXPECT_FALSE(folder.empty());
    EXPECT_EQ(copy, socket);
  }
  EXPECT_TRUE(folder.empty());
}

TEST_F(DatagramTest, AFullReceiverKeepsTheSenderWaitingOverUnixSockets) {
  DatagramSocket receiver;
  DatagramSocket sender;
  int sent = 0;
  EXPECT_THROW(for (;; ++sent) sender.sendto(std::to_string(sent), receiver.address(), 20ms),
               TimeoutError);
  EXPECT_GT(sent, 0);
  auto waiting = std::async(std::launch::async, [&] { sender.sendto("last", receiver.address()); });
  for (int i = 0; i < sent; ++i) EXPECT_EQ(receiver.recvfrom().text(), std::to_string(i));
  EXPECT_EQ(receiver.recvfrom().text(), "last");
  waiting.get();
}

TEST_F(DatagramTest, ThreadsAndProcessesEachTakeWholeMessages) {
  constexpr int kMessages = 400;
  DatagramSocket socket;
  DatagramSocket answers;
  const auto serve = [&] {
    for (;;) {
      const Datagram d = socket.recvfrom();
      if (d.bytes.empty()) return;
      answers.sendto(std::to_string(d.bytes.size()), answers.address());
    }
  };
  test::Child child(serve);
  std::thread one(serve);
  std::thread other(serve);
  std::multiset<std::string> expected;
  std::multiset<std::string> got;
  std::thread feeder([&] {
    for (std::size_t i = 1; i <= kMessages; ++i) {
      socket.sendto(test::pattern(i), socket.address());
    }
    for (int i = 0; i < 3; ++i) socket.sendto("", socket.address());
  });
  for (int i = 1; i <= kMessages; ++i) {
    expected.insert(std::to_string(i));
    got.insert(answers.recvfrom().text());
  }
  EXPECT_EQ(got, expected);
  feeder.join();
  one.join();
  other.join();
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(DatagramTest, SignalsDisturbNothing) {
  DatagramSocket socket;
  const int before = test::SignalStorm::count();
  const test::SignalStorm storm;
  EXPECT_THROW(static_cast<void>(socket.recvfrom(50ms)), TimeoutError);
  for (int i = 0; i < 500; ++i) {
    socket.sendto("x", socket.address());
    EXPECT_EQ(socket.recvfrom().text(), "x");
  }
  EXPECT_GT(test::SignalStorm::count(), before);
}

TEST_F(DatagramTest, CloseEndsAReceiveInAnotherThreadAndUseOfAClosedOneIsEbadf) {
  DatagramSocket socket({"127.0.0.1", 0});
  DatagramSocket copy = socket;
  auto receiving = std::async(std::launch::async, [&] { return socket.recvfrom(); });
  EXPECT_EQ(receiving.wait_for(10ms), std::future_status::timeout);
  copy.close();
  EXPECT_EQ(errno_of([&] { receiving.get(); }), EBADF);
  EXPECT_TRUE(socket.closed());
  EXPECT_EQ(errno_of([&] { static_cast<void>(socket.recvfrom()); }), EBADF);
  EXPECT_EQ(errno_of([&] { socket.sendto("x", {"127.0.0.1", 9}); }), EBADF);
  EXPECT_EQ(errno_of([&] { static_cast<void>(socket.fileno()); }), EBADF);
}

TEST_F(DatagramTest, TravelsAndIsWaitedForAndLeaksNothing) {
  auto [reader, writer] = Pipe(false);
  const std::size_t before = test::open_descriptors();
  {
    DatagramSocket socket(folder / "s");
    EXPECT_EQ(::fcntl(socket.fileno(), F_GETFD), FD_CLOEXEC);
    writer.send(socket);
    test::Child child([&, &r = reader] {
      auto arrived = r.recv<DatagramSocket>();
      EXPECT_EQ(arrived.address(), Address(folder / "s"));
      arrived.sendto("from the child", arrived.address());
    });
    EXPECT_EQ(child.wait(), 0);
    EXPECT_EQ(connection::wait({socket.fileno()}, 5s).size(), 1U);
    EXPECT_EQ(socket.recvfrom().text(), "from the child");
    EXPECT_FALSE(folder.empty());
  }
  EXPECT_TRUE(folder.empty());
  EXPECT_EQ(test::open_descriptors(), before);
}

}  // namespace
}  // namespace multiprocessing
