// SPDX-License-Identifier: BSL-1.0
// What is sent and received as a pickle, and what is not.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <map>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/detail/pickle.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/object.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/synchronize.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <variant>
#include <vector>

#include "connection_test.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using test::bytes_of;

struct Point {
  int x;
  int y;
  friend bool operator==(const Point&, const Point&) = default;
};

class PicklesOverAStream : public testing::Test {
 protected:
  PicklesOverAStream() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    a = Connection(ends[0]);
    b = Connection(ends[1]);
  }

  template <class T> T through(const T& value) {
    a.send(value);
    return b.recv<T>();
  }
  template <class T> bool is_sent_as_pickle(const T& value) {
    a.send(value);
    return b.recv_bytes().front() == std::byte{0x80};
  }
  void send_raw(std::string_view bytes) { a.send_bytes(bytes); }

  Connection a;
  Connection b;
  test::Watchdog watchdog{60s};
};

TEST_F(PicklesOverAStream, AnObjectIsSentAsThePicklePythonReads) {
  const Object o = Object::list({1, "two", nullptr});
  a.send(o);
  detail::Encoder encoder;
  detail::encode_pickle(encoder, o);
  EXPECT_EQ(b.recv_bytes(), std::vector<std::byte>(encoder.bytes().begin(), encoder.bytes().end()));
  EXPECT_EQ(through(o), o);
}

TEST_F(PicklesOverAStream, WhatHasACounterpartInPythonIsSentAsOne) {
  EXPECT_TRUE(is_sent_as_pickle(1));
  EXPECT_TRUE(is_sent_as_pickle(1.5));
  EXPECT_TRUE(is_sent_as_pickle(true));
  EXPECT_TRUE(is_sent_as_pickle(nullptr));
  EXPECT_TRUE(is_sent_as_pickle("text"));
  EXPECT_TRUE(is_sent_as_pickle(std::vector<int>{1}));
  EXPECT_TRUE(is_sent_as_pickle(std::map<std::string, int>{}));
  EXPECT_TRUE(is_sent_as_pickle(std::optional<int>()));
  EXPECT_FALSE(is_sent_as_pickle(Point{1, 2}));
  EXPECT_FALSE(is_sent_as_pickle(std::vector<Point>{{1, 2}}));
}

TEST_F(PicklesOverAStream, EveryTypeArrivesAsItWasSent) {
  EXPECT_EQ(through(-1), -1);
  EXPECT_EQ(through('c'), 'c');
  EXPECT_EQ(through(1.5F), 1.5F);
  EXPECT_EQ(through(INT64_MIN), INT64_MIN);
  EXPECT_EQ(through("text"s), "text");
  EXPECT_EQ(through(std::vector<std::byte>{std::byte{0xff}}), bytes_of("\xff"));
  EXPECT_EQ(through(std::tuple(1, "two"s, 3.5)), std::tuple(1, "two"s, 3.5));
  const std::map<std::string, std::vector<std::optional<int>>> map{{"a", {1, std::nullopt}}};
  EXPECT_EQ(through(map), map);
  EXPECT_EQ(through(std::set<int>{3, 1}), (std::set<int>{3, 1}));
  using Either = std::variant<int, std::string>;
  EXPECT_EQ(through(Either("x")), Either("x"));
  EXPECT_EQ(through(std::vector<bool>{true, false}), (std::vector<bool>{true, false}));
  EXPECT_EQ(through(Point{1, 2}), (Point{1, 2}));
}

TEST_F(PicklesOverAStream, AnElementOfAnObjectIsSentAsWhatItIs) {
  Object o = Object::dict({{"k", 7}});
  a.send(o["k"]);
  EXPECT_EQ(b.recv<int>(), 7);
}

TEST_F(PicklesOverAStream, IsReceivedAsTheTypeAskedForOrAsObject) {
  a.send(Object::list({1, 2}));
  a.send(std::vector<int>{1, 2});
  EXPECT_EQ(b.recv<std::vector<int>>(), (std::vector<int>{1, 2}));
  EXPECT_EQ(b.recv(), Object::list({1, 2}));
}

TEST_F(PicklesOverAStream, AnotherTypeIsATypeErrorAndTheMessageStays) {
  a.send("text");
  try {
    static_cast<void>(b.recv<std::vector<int>>());
    FAIL();
  } catch (const TypeError& error) {
    EXPECT_NE(std::string(error.what()).find("str"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("vector"), std::string::npos) << error.what();
  }
  EXPECT_THROW(static_cast<void>(b.recv<Point>()), TypeError);
  EXPECT_TRUE(b.poll());
  EXPECT_EQ(b.recv<std::string>(), "text");
}

TEST_F(PicklesOverAStream, ANumberThatDoesNotFitIsAValueError) {
  a.send(300);
  EXPECT_THROW(static_cast<void>(b.recv<signed char>()), ValueError);
  EXPECT_THROW(a.send(UINT64_MAX), ValueError);
  a.send(1);
  EXPECT_EQ(b.recv<int>(), 1);
}

TEST_F(PicklesOverAStream, TextThatIsNoUtf8IsAValueErrorBeforeAnythingIsSent) {
  EXPECT_THROW(a.send("caf\xe9"), ValueError);
  a.send(2);
  EXPECT_EQ(b.recv<int>(), 2);
}

TEST_F(PicklesOverAStream, WhatAsksForAnythingElseIsRefusedWithItsNameAndTheNextIsReceived) {
  send_raw("\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.");
  send_raw("\x80\x04K\x01");
  a.send(3);
  try {
    static_cast<void>(b.recv());
    FAIL();
  } catch (const ValueError& error) {
    EXPECT_NE(std::string(error.what()).find("posix.system"), std::string::npos) << error.what();
  }
  EXPECT_THROW(static_cast<void>(b.recv()), ValueError);
  EXPECT_EQ(b.recv<int>(), 3);
}

TEST_F(PicklesOverAStream, OtherBytesStayForRecvBytes) {
  send_raw("plain");
  EXPECT_THROW(static_cast<void>(b.recv()), TypeError);
  EXPECT_EQ(b.recv_bytes(), bytes_of("plain"));
}

TEST_F(PicklesOverAStream, CanBeSwitchedOffAndIsReceivedEitherWay) {
  EXPECT_TRUE(a.pickles());
  a.pickles(false);
  EXPECT_FALSE(Connection(a).pickles());
  EXPECT_FALSE(is_sent_as_pickle(1));
  EXPECT_EQ(through(UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(through(Object("text")), "text");
  a.pickles(true);
  EXPECT_EQ(through(1), 1);
}

TEST_F(PicklesOverAStream, TravelsWithTheConnection) {
  auto [x, y] = Pipe();
  a.pickles(false);
  x.send(a);
  x.send(b);
  EXPECT_FALSE(y.recv<Connection>().pickles());
  EXPECT_TRUE(y.recv<Connection>().pickles());
}

TEST(PicklesOverAPipe, AreSentOnlyWhereAskedForAndAlwaysReceived) {
  auto [a, b] = Pipe();
  EXPECT_FALSE(a.pickles());
  a.send(1);
  EXPECT_NE(b.recv_bytes().front(), std::byte{0x80});
  a.pickles(true);
  a.send(std::vector<int>{1, 2});
  a.send(3);
  EXPECT_EQ(b.recv<std::vector<int>>(), (std::vector<int>{1, 2}));
  EXPECT_EQ(b.recv_bytes().front(), std::byte{0x80});
  Lock lock;
  a.send(lock);
  EXPECT_TRUE(b.recv<Lock>().acquire(false));
}

TEST(PicklesOverAListener, AreAnOptionOfBothSides) {
  Listener listener({.authkey = "key", .pickle = false});
  Connection client;
  std::thread other([&] { client = Client({.authkey = "key"}, listener.address()); });
  Connection server = listener.accept();
  other.join();
  EXPECT_FALSE(server.pickles());
  EXPECT_TRUE(client.pickles());
  server.send(std::vector<int>{1});
  client.send(std::vector<int>{2});
  EXPECT_EQ(client.recv<std::vector<int>>(), std::vector<int>{1});
  EXPECT_EQ(server.recv<std::vector<int>>(), std::vector<int>{2});
}

TEST(PicklesOverAClosedConnection, AreNoUse) {
  Connection closed;
  EXPECT_FALSE(closed.pickles());
  EXPECT_EQ(test::errno_of([&] { closed.pickles(true); }), EBADF);
  EXPECT_EQ(test::errno_of([&] { closed.send(1); }), EBADF);
}

}  // namespace
}  // namespace multiprocessing
