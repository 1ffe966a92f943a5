// SPDX-License-Identifier: BSL-1.0
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <map>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/object.hpp>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "child.hpp"
#include "connection_test.hpp"
#include "signal_storm.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::bytes_of;
using test::Child;
using test::errno_of;

TEST(Pipe, CarriesMessagesBothWays) {
  auto [a, b] = Pipe();
  a.send(std::map<std::string, int>{{"data", 42}});
  b.send(3.5);
  EXPECT_EQ((b.recv<std::map<std::string, int>>()), (std::map<std::string, int>{{"data", 42}}));
  EXPECT_EQ(a.recv<double>(), 3.5);
}

TEST(Pipe, OneWayReceivesAtTheFirstEndAndSendsAtTheSecond) {
  auto [reader, writer] = Pipe(false);
  EXPECT_TRUE(reader.readable() && !reader.writable());
  EXPECT_TRUE(!writer.readable() && writer.writable());
  writer.send(1);
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_EQ(errno_of([&w = writer] { static_cast<void>(w.recv<int>()); }), EBADF);
  EXPECT_EQ(errno_of([&w = writer] { static_cast<void>(w.poll()); }), EBADF);
  EXPECT_EQ(errno_of([&r = reader] { r.send(1); }), EBADF);
}

TEST(Connection, KeepsTheOrderAndTheBoundariesOfMessages) {
  auto [reader, writer] = Pipe(false);
  writer.send_bytes(std::string_view(""));
  writer.send_bytes(std::string_view("two"));
  writer.send("literal");
  EXPECT_EQ(reader.recv_bytes(), bytes_of(""));
  EXPECT_EQ(reader.recv_bytes(), bytes_of("two"));
  EXPECT_EQ(reader.recv<std::string>(), "literal");
}

TEST(Connection, ATypedMessageIsReceivedAsObjectAndTheOtherWay) {
  auto [reader, writer] = Pipe(false);
  writer.send(std::vector<int>{1, 2});
  writer.send(Object(7));
  EXPECT_EQ(reader.recv(), Object(std::vector<int>{1, 2}));
  EXPECT_EQ(reader.recv<int>(), 7);
}

TEST(Connection, LiteralsArriveAsStringsInTuplesToo) {
  auto [reader, writer] = Pipe(false);
  writer.send(std::make_tuple(123, "Hallo Pipe!"));
  writer.send(std::make_pair("one", 1));
  EXPECT_EQ((reader.recv<std::tuple<int, std::string>>()), std::tuple(123, "Hallo Pipe!"));
  EXPECT_EQ(reader.recv(), Object::tuple({"one", 1}));
}

TEST(Connection, AnotherTypeIsATypeErrorAndTheMessageStays) {
  auto [reader, writer] = Pipe(false);
  writer.send(std::string("text"));
  writer.send(2);
  try {
    static_cast<void>(reader.recv<std::vector<int>>());
    FAIL() << "no TypeError";
  } catch (const TypeError& error) {
    EXPECT_NE(std::strstr(error.what(), "std::string"), nullptr) << error.what();
    EXPECT_NE(std::strstr(error.what(), "std::vector<int>"), nullptr) << error.what();
  }
  EXPECT_TRUE(reader.poll());
  EXPECT_EQ(connection::wait({reader}, 0s).size(), 1U);
  EXPECT_EQ(reader.recv<std::string>(), "text");
  EXPECT_EQ(reader.recv<int>(), 2);
}

TEST(Connection, AnObjectThatHoldsSomethingElseStaysToo) {
  auto [reader, writer] = Pipe(false);
  writer.send(Object("text"));
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), TypeError);
  EXPECT_EQ(reader.recv<std::string>(), "text");
}

TEST(Connection, ABufferThatIsTooShortGetsTheMessageInTheError) {
  auto [reader, writer] = Pipe(false);
  writer.send_bytes(std::string_view("12345"));
  writer.send_bytes(std::string_view("abc"));
  std::array<std::byte, 4> buffer{};
  try {
    reader.recv_bytes_into(buffer);
    FAIL() << "no BufferTooShort";
  } catch (const BufferTooShort& error) {
    EXPECT_EQ(error.message(), bytes_of("12345"));
  }
  EXPECT_EQ(reader.recv_bytes_into(buffer), 3U);
  EXPECT_EQ(std::memcmp(buffer.data(), "abc", 3), 0);
}

TEST(Connection, MessagesOfEverySizeAroundAPacketComeWhole) {
  auto [reader, writer] = Pipe(false);
  std::thread sender([&w = writer] {
    for (std::size_t size : {65535, 65536, 65537, 131072, 131073, 5'000'000}) {
      std::string text(size, 'x');
      text.back() = 'y';
      w.send_bytes(text);
    }
  });
  for (std::size_t size : {65535, 65536, 65537, 131072, 131073, 5'000'000}) {
    const auto bytes = reader.recv_bytes();
    EXPECT_EQ(bytes.size(), size);
    EXPECT_EQ(bytes.back(), std::byte{'y'});
  }
  sender.join();
}

TEST(Connection, TheEndOfTheStreamComesAfterWhatWasSent) {
  auto [reader, writer] = Pipe(false);
  writer.send(1);
  writer.close();
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_TRUE(reader.poll(forever));
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST(Connection, WhatWasSentComesThoughThePeerClosedWithSomethingUnread) {
  auto [a, b] = Pipe();
  a.send(1);
  b.send(2);
  b.close();
  EXPECT_EQ(a.recv<int>(), 2);
  EXPECT_THROW(static_cast<void>(a.recv<int>()), EOFError);
}

TEST(Connection, ACopyInAChildKeepsTheStreamOpen) {
  auto [reader, writer] = Pipe(false);
  auto [go_reader, go] = Pipe(false);
  Child child([&w = writer, &g = go_reader] {
    static_cast<void>(g.recv<int>());
    w.send(5);
  });
  writer.close();
  EXPECT_FALSE(reader.poll(50ms));
  go.send(1);
  EXPECT_EQ(reader.recv<int>(), 5);
  EXPECT_EQ(child.wait(), 0);
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST(Connection, SendingWhereNobodyCanReceiveIsABrokenPipe) {
  auto [reader, writer] = Pipe(false);
  reader.close();
  EXPECT_THROW(writer.send(1), BrokenPipeError);
}

TEST(Connection, CloseIsForAllCopiesInThisProcessAndNoOther) {
  auto [a, b] = Pipe();
  Connection copy = a;
  Child child([&c = copy, &peer = b] {
    peer.close();
    c.close();
    return c.closed();
  });
  EXPECT_EQ(child.wait(), 0);
  EXPECT_FALSE(copy.closed());
  copy.close();
  EXPECT_TRUE(a.closed());
  EXPECT_EQ(errno_of([&c = a] { c.send(1); }), EBADF);
  EXPECT_EQ(errno_of([&c = a] { static_cast<void>(c.recv<int>()); }), EBADF);
  EXPECT_EQ(errno_of([&c = a] { static_cast<void>(c.fileno()); }), EBADF);
  EXPECT_EQ(errno_of([&c = a] { static_cast<void>(connection::wait({c})); }), EBADF);
  a.close();
  EXPECT_TRUE(a.readable() && a.writable());
}

TEST(Connection, ThePollThatFindsNothingTakesItsTimeout) {
  auto [reader, writer] = Pipe(false);
  EXPECT_FALSE(reader.poll());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(reader.poll(30ms));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 30ms);
  EXPECT_FALSE(reader.poll(-1s));
}

template <class T>
concept PollableWith = requires(Connection& c, T t) {
  c.poll(t);
};
static_assert(!PollableWith<int> && !PollableWith<double> && PollableWith<Timeout>);

TEST(Connection, SignalsDisturbNeitherSendNorReceive) {
  auto [reader, writer] = Pipe(false);
  Child child([&w = writer] {
    const std::string text(300'000, 'x');
    for (int i = 0; i < 50; ++i) w.send_bytes(text);
  });
  writer.close();
  const test::SignalStorm storm;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(reader.recv_bytes().size(), 300'000U);
  EXPECT_THROW(static_cast<void>(reader.recv_bytes()), EOFError);
  EXPECT_EQ(child.wait(), 0);
}

TEST(Connection, ManySendersInThreadsAndProcessesTearNothing) {
  auto [reader, writer] = Pipe(false);
  std::vector<Child> children;
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&w = writer, i] {
      for (int n = 0; n < 200; ++n) {
        w.send_bytes(std::string(static_cast<std::size_t>(n % 3 == 0 ? 200'000 : 100),
                                 static_cast<char>('a' + i)));
      }
    });
  }
  writer.close();
  int count = 0;
  try {
    for (;; ++count) {
      const auto bytes = reader.recv_bytes();
      ASSERT_TRUE(bytes.size() == 200'000 || bytes.size() == 100);
      ASSERT_EQ(std::count(bytes.begin(), bytes.end(), bytes.front()),
                static_cast<std::ptrdiff_t>(bytes.size()));
    }
  } catch (const EOFError&) {
  }
  EXPECT_EQ(count, 600);
}

TEST(Connection, ASenderKilledInAMessageIsAnErrorAndTheNextMessageIsWhole) {
  auto [reader, writer] = Pipe(false);
  Child victim([&w = writer] { w.send_bytes(std::vector<std::byte>(50'000'000)); });
  EXPECT_TRUE(reader.poll(5s));
  victim.kill();
  EXPECT_EQ(errno_of([&r = reader] { static_cast<void>(r.recv_bytes()); }), ECONNRESET);
  writer.send_bytes(std::string_view("next"));
  EXPECT_EQ(reader.recv_bytes(), bytes_of("next"));
  writer.send_bytes(std::string_view("and next"));
  EXPECT_EQ(reader.recv_bytes(), bytes_of("and next"));
}

}  // namespace
}  // namespace multiprocessing
