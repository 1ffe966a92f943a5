// SPDX-License-Identifier: BSL-1.0
// connection::wait.
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <multiprocessing/connection.hpp>
#include <numeric>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "child.hpp"
#include "connection_test.hpp"
#include "os/fd.hpp"
#include "os/pidfd.hpp"
#include "signal_storm.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using connection::Waitable;
using test::errno_of;

TEST(Wait, SaysWhichAreReadyInOrder) {
  auto [a, a_peer] = Pipe();
  auto [b, b_peer] = Pipe();
  auto [c, c_peer] = Pipe();
  c_peer.send(1);
  a_peer.send(1);

  const auto ready = connection::wait({a, b, c}, 1s);

  ASSERT_EQ(ready.size(), 2U);
  EXPECT_TRUE(ready.at(0) == a);
  EXPECT_TRUE(ready.at(1) == c);
  EXPECT_EQ(connection::wait(std::vector<Connection>{a, b}), std::vector<Connection>{a});
}

TEST(Wait, WhatIsReadyCanBeReceivedFrom) {
  auto [a, a_peer] = Pipe();
  auto [b, b_peer] = Pipe();
  b_peer.send(7);
  for (Connection& ready : connection::wait({a, b})) EXPECT_EQ(ready.recv<int>(), 7);
}

TEST(Wait, TakesAMixAndEachComparesEqualToWhatWasGiven) {
  auto [a, a_peer] = Pipe();
  test::Child child([] {});
  const os::Fd sentinel = os::open_pidfd(child.pid());
  a_peer.send(1);
  EXPECT_TRUE(os::wait_readable(sentinel.get(), os::Deadline::never()));

  auto ready = connection::wait({a, sentinel.get()}, 5s);

  ASSERT_EQ(ready.size(), 2U);
  EXPECT_TRUE(ready[0] == a);
  EXPECT_FALSE(ready[0] == a_peer);
  EXPECT_TRUE(ready[1] == sentinel.get());
  EXPECT_FALSE(ready[1] == a);
  EXPECT_TRUE(ready == (std::vector<Waitable>{a, sentinel.get()}));
  EXPECT_FALSE(ready == (std::vector<Waitable>{sentinel.get(), a}));
  EXPECT_EQ(ready[0].connection()->recv<int>(), 1);
  EXPECT_EQ(ready[1].connection(), nullptr);
}

TEST(Wait, AMixOfConnectionsCompareWithAVectorOfThem) {
  auto [a, a_peer] = Pipe();
  auto [b, b_peer] = Pipe();
  a_peer.send(1);
  b_peer.send(1);
  const std::vector<Waitable> mixed{a, b};
  EXPECT_TRUE(connection::wait(mixed) == (std::vector<Connection>{a, b}));
}

TEST(Wait, TakesAVectorOfDescriptors) {
  auto [a, a_peer] = Pipe();
  auto [b, b_peer] = Pipe();
  b_peer.send(1);
  const std::vector<int> all{a.fileno(), b.fileno()};
  EXPECT_EQ(connection::wait(all, 1s), std::vector<int>{b.fileno()});
}

TEST(Wait, EndsWithNothingWhenTheTimeIsOver) {
  auto [a, a_peer] = Pipe();
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(connection::wait({a, a_peer}, 20ms).empty());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 20ms);
  EXPECT_TRUE(connection::wait({a, a_peer}, -1s).empty());
  EXPECT_TRUE(connection::wait(std::vector<Connection>(), 1ms).empty());
  EXPECT_TRUE(connection::wait(std::vector<Connection>()).empty()) << "nothing can ever be ready";
}

TEST(Wait, SignalsDoNotShortenIt) {
  auto [a, a_peer] = Pipe();
  const test::SignalStorm storm;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(connection::wait({a}, 100ms).empty());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 100ms);
}

TEST(Wait, IsWokenByWhatComesLater) {
  auto [a, a_peer] = Pipe();
  auto [b, b_peer] = Pipe();
  std::thread sender([&p = b_peer] {
    std::this_thread::sleep_for(20ms);
    p.send(1);
  });
  EXPECT_EQ(connection::wait({a, b}), std::vector<Connection>{b});
  sender.join();
}

TEST(Wait, EndsOfStreamsAreReady) {
  auto [a, a_peer] = Pipe();
  auto [b, b_peer] = Pipe();
  b_peer.close();
  const auto ready = connection::wait({a, b.fileno()}, 1s);
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_EQ(ready[0], b.fileno());
}

TEST(Wait, AnEndForSendingIsReadyOnceNobodyReceives) {
  auto [reader, writer] = Pipe(false);
  EXPECT_TRUE(connection::wait({writer}, 20ms).empty());
  reader.close();
  EXPECT_EQ(connection::wait({writer}, 1s), std::vector<Connection>{writer});
}

TEST(Wait, AMessageThatStayedBehindIsReadyBesideOthers) {
  auto [a, a_peer] = Pipe();
  auto [b, b_peer] = Pipe();
  a_peer.send(std::string("text"));
  EXPECT_THROW(static_cast<void>(a.recv<std::vector<int>>()), TypeError);
  EXPECT_EQ(connection::wait({a, b}), std::vector<Connection>{a});
  b_peer.send(1);
  EXPECT_EQ(connection::wait({a, b}), (std::vector<Connection>{a, b}));
}

TEST(Wait, AClosedConnectionIsAnError) {
  auto [a, a_peer] = Pipe();
  auto [b, b_peer] = Pipe();
  b.close();
  EXPECT_EQ(errno_of([&x = a, &y = b] { static_cast<void>(connection::wait({x, y}, 1s)); }), EBADF);
  EXPECT_EQ(errno_of([] { static_cast<void>(connection::wait({Connection()}, 1s)); }), EBADF);
}

TEST(Wait, TheSameTwiceIsAKeyError) {
  auto [a, a_peer] = Pipe();
  EXPECT_THROW(static_cast<void>(connection::wait({a, a}, 1s)), KeyError);
  EXPECT_THROW(static_cast<void>(connection::wait({a, a.fileno()}, 1s)), KeyError);
}

TEST(Wait, ANegativeNumberIsAValueErrorAndOneThatIsNotOpenIsReady) {
  EXPECT_THROW(static_cast<void>(connection::wait(std::vector<int>{-1}, 1s)), ValueError);
  const int closed = ::eventfd(0, EFD_CLOEXEC);
  ::close(closed);
  EXPECT_EQ(connection::wait(std::vector<int>{closed}, 1s), std::vector<int>{closed});
}

// As many descriptors as this process may have, while it lives.
class HardLimit {
 public:
  HardLimit() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit most{before_.rlim_max, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &most);
  }
  ~HardLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  HardLimit(const HardLimit&) = delete;
  HardLimit& operator=(const HardLimit&) = delete;
  /// How many thousandths of `wanted` descriptors there are, 1000 at most.
  [[nodiscard]] std::size_t share(std::size_t wanted) const {
    return std::min<std::size_t>(1000, (before_.rlim_max - 200) * 1000 / wanted);
  }

 private:
  rlimit before_{};
};

TEST(Wait, ThousandsOfEveryKind) {
  const HardLimit limit;
  const std::size_t count = limit.share(8'000);
  ASSERT_GE(count, 100U);
  std::vector<Connection> others;
  std::vector<os::Fd> events;
  std::vector<Waitable> all;
  std::vector<Waitable> expected;
  const auto add = [&](const Waitable& object, bool is_ready) {
    all.push_back(object);
    if (is_ready) expected.push_back(object);
  };
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_ready = i % 97 == 3;
    auto [reader, writer] = Pipe(false);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const Connection stream(ends[0]);
    Connection peer(ends[1]);
    const Listener listener;
    events.emplace_back(::eventfd(is_ready ? 1 : 0, EFD_CLOEXEC));
    if (is_ready) {
      writer.send(1);
      peer.send_bytes("x");
      others.push_back(Client(listener.address()));
    }
    others.insert(others.end(), {writer, peer});
    add(reader, is_ready);
    add(stream, is_ready);
    add(listener, is_ready);
    add(events.back().get(), is_ready);
  }
  test::Child ended([] {});
  const os::Fd sentinel = os::open_pidfd(ended.pid());
  add(sentinel.get(), true);
  ended.wait();

  EXPECT_EQ(connection::wait(all, 5s), expected);
}

TEST(Wait, MoreThanTheLimitOfDescriptorsIsAnErrorThatSaysSo) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  std::vector<int> numbers(limit.rlim_cur + 1);
  std::iota(numbers.begin(), numbers.end(), 0);
  try {
    static_cast<void>(connection::wait(numbers, 0s));
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EINVAL);
    EXPECT_NE(std::string(error.what()).find("RLIMIT_NOFILE"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace multiprocessing
