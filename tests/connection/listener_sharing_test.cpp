// SPDX-License-Identifier: BSL-1.0
// A Listener among threads, processes and other things to wait for.
#include <gtest/gtest.h>

#include <cerrno>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "child.hpp"
#include "connection_test.hpp"
#include "listener_test.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;
using test::errno_of;

class ListenerSharing : public testing::Test {
 protected:
  test::Folder folder;
  test::Watchdog watchdog{60s};
};

TEST_F(ListenerSharing, TheLimitTravelsWithTheConnection) {
  Listener listener({.max_message_bytes = 10});
  Connection client = Client(listener.address());
  auto [reader, writer] = Pipe(false);
  writer.send(listener.accept());
  auto server = reader.recv<Connection>();
  client.send_bytes("0123456789a");
  EXPECT_EQ(errno_of([&] { static_cast<void>(server.recv_bytes()); }), EMSGSIZE);
}

TEST_F(ListenerSharing, TravelsToOtherProcessesThatAcceptToo) {
  Listener listener({.authkey = "key"}, folder / "s");
  auto [reader, writer] = Pipe(false);
  writer.send(listener);
  test::Child child([&, &r = reader] {
    auto arrived = r.recv<Listener>();
    EXPECT_EQ(arrived.address(), Address(folder / "s"));
    arrived.accept().send_bytes("from the child");
  });
  Connection client = Client(listener.address(), "key");
  EXPECT_EQ(client.recv_bytes(), bytes_of("from the child"));
  EXPECT_EQ(child.wait(), 0);
  EXPECT_FALSE(folder.empty());
}

TEST_F(ListenerSharing, ThreadsAndProcessesShareItsConnections) {
  constexpr int kEach = 10;
  Listener listener;
  std::vector<test::Child> children;
  for (int i = 0; i < 2; ++i) {
    children.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) listener.accept().send_bytes("x");
    });
  }
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kEach; ++n) listener.accept().send_bytes("x");
    });
  }
  for (int i = 0; i < 4 * kEach; ++i) {
    EXPECT_EQ(Client(listener.address()).recv_bytes().size(), 1U);
  }
  for (std::thread& thread : threads) thread.join();
  for (test::Child& child : children) EXPECT_EQ(child.wait(), 0);
}

TEST_F(ListenerSharing, IsWaitedForBesideConnectionsAndDescriptors) {
  Listener quiet;
  Listener called;
  auto [reader, writer] = Pipe(false);
  Connection client = Client(called.address());
  writer.send(1);
  const auto ready = connection::wait({quiet, called, reader}, 5s);
  ASSERT_EQ(ready.size(), 2U);
  EXPECT_TRUE(ready[0] == called);
  EXPECT_FALSE(ready[0] == quiet);
  EXPECT_TRUE(ready[1] == reader);
  EXPECT_EQ(connection::wait(std::vector<Listener>{quiet, called}), std::vector<Listener>{called});
  Connection server = called.accept();
  EXPECT_TRUE(connection::wait({quiet, called}, 0s).empty());
  called.close();
  EXPECT_EQ(errno_of([&] { static_cast<void>(connection::wait({called}, 0s)); }), EBADF);
}

TEST_F(ListenerSharing, ACopyIsEqualAndHasTheSameHash) {
  const Listener a;
  const Listener b;
  const Listener copy = a;
  EXPECT_EQ(a, copy);
  EXPECT_FALSE(a == b);
  EXPECT_EQ(std::hash<Listener>()(a), std::hash<Listener>()(copy));
}

}  // namespace
}  // namespace multiprocessing
