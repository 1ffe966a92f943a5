// SPDX-License-Identifier: BSL-1.0
// Frames that were received together: nobody who has the Connection misses one.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <multiprocessing/connection.hpp>
#include <string>
#include <string_view>
#include <thread>

#include "child.hpp"
#include "connection_test.hpp"
#include "reading_ahead.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using test::bytes_of;

class ReadAheadTest : public testing::Test {
 protected:
  ReadAheadTest() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    connection = test::reading_ahead(ends[0]);
    raw = ends[1];
  }
  ~ReadAheadTest() override { ::close(raw); }

  void write(std::string_view bytes) const {
    EXPECT_EQ(::send(raw, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  [[nodiscard]] bool descriptor_is_readable() const {
    pollfd entry{connection.fileno(), POLLIN, 0};
    return ::poll(&entry, 1, 0) == 1;
  }
  [[nodiscard]] bool receives(std::string_view expected) {
    return connection.poll() && connection.recv_bytes() == bytes_of(expected);
  }

  Connection connection;
  int raw = -1;
  test::Watchdog watchdog{60s};
};

TEST_F(ReadAheadTest, PollAndWaitKnowOfAFrameThatCameWithAnother) {
  write("\0\0\0\3one\0\0\0\3two"sv);
  EXPECT_TRUE(receives("one"));
  EXPECT_TRUE(connection.poll());
  EXPECT_TRUE(connection.poll(10s));
  EXPECT_EQ(connection::wait({connection}, 10s).size(), 1U);
  EXPECT_TRUE(receives("two"));
  EXPECT_FALSE(connection.poll());
}

TEST_F(ReadAheadTest, PartOfAFrameIsSomethingToReceiveAsOfAnyStream) {
  write("\0\0\0\3one\0\0"sv);
  EXPECT_TRUE(receives("one"));
  EXPECT_TRUE(connection.poll());
  write("\0\3two"sv);
  EXPECT_TRUE(receives("two"));
  EXPECT_FALSE(connection.poll());
}

TEST_F(ReadAheadTest, FramesOfEveryLengthAreReceivedWhereverTheyAreCut) {
  std::string stream;
  const auto frame_of = [](std::size_t size) { return std::string(size, static_cast<char>(size)); };
  for (std::size_t size = 0; size < 2100; size += 7) {
    const auto high = static_cast<char>(size >> 8);
    const auto low = static_cast<char>(size & 0xff);
    stream.append(2, '\0').append(1, high).append(1, low).append(frame_of(size));
  }
  std::thread writer([&] {
    for (std::size_t at = 0, n = 1; at < stream.size(); at += n, n = n % 1500 + 11)
      write(std::string_view(stream).substr(at, n));
  });
  for (std::size_t size = 0; size < 2100; size += 7)
    EXPECT_EQ(connection.recv_bytes(), bytes_of(frame_of(size)));
  writer.join();
}

TEST_F(ReadAheadTest, AForkedChildGoesOnWhereItsParentStoppedAndTheParentWhereTheChildDid) {
  write("\0\0\0\3one\0\0\0\3two\0\0\0\5th"sv);
  EXPECT_TRUE(receives("one"));
  EXPECT_EQ(test::in_child([&] { return receives("two"); }), 0);
  write("ree\0\0\0\4four\0\0\0\4five"sv);
  EXPECT_EQ(test::in_child([&] { return receives("three"); }), 0);
  EXPECT_TRUE(receives("four"));
  EXPECT_EQ(test::in_child([&] { return receives("five"); }), 0);
  EXPECT_FALSE(connection.poll());
}

TEST_F(ReadAheadTest, NothingIsReadAheadOnceThereIsAChild) {
  EXPECT_EQ(test::in_child([] { return true; }), 0);
  write("\0\0\0\3one\0\0\0\3two"sv);
  EXPECT_TRUE(receives("one"));
  EXPECT_TRUE(descriptor_is_readable());
}

TEST_F(ReadAheadTest, AConnectionThatIsSentTakesAlongWhatWasReadAhead) {
  write("\0\0\0\3one\0\0\0\3two\0\0\0\5three"sv);
  EXPECT_TRUE(receives("one"));
  auto [there, here] = Pipe();
  here.send(connection);
  auto other = there.recv<Connection>();
  EXPECT_TRUE(other.poll());
  EXPECT_EQ(other.recv_bytes(), bytes_of("two"));
  EXPECT_TRUE(receives("three"));
  EXPECT_FALSE(other.poll());
}

TEST_F(ReadAheadTest, WhoAskedForTheDescriptorSeesEveryFrameThere) {
  EXPECT_FALSE(descriptor_is_readable());
  write("\0\0\0\3one\0\0\0\3two"sv);
  EXPECT_TRUE(receives("one"));
  EXPECT_TRUE(descriptor_is_readable());
  EXPECT_TRUE(receives("two"));
  EXPECT_FALSE(descriptor_is_readable());
}

// In either order: the one who waits begins while the other receives already, or before.
TEST_F(ReadAheadTest, AThreadThatWaitsIsToldOfAFrameThatAnotherTookOutOfTheSocket) {
  for (int round = 0; round < 200; ++round) {
    connection = {};
    ::close(raw);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    connection = test::reading_ahead(ends[0]);
    raw = ends[1];
    std::thread receiver([&] { EXPECT_EQ(connection.recv_bytes(), bytes_of("one")); });
    std::thread waiter([&] { EXPECT_TRUE(connection.poll(forever)); });
    write("\0\0\0\3one\0\0\0\3two"sv);
    receiver.join();
    waiter.join();
    EXPECT_TRUE(receives("two"));
  }
}

}  // namespace
}  // namespace multiprocessing
