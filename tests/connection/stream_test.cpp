// SPDX-License-Identifier: BSL-1.0
// Connections made of a stream socket: CPython's framing, byte by byte.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/synchronize.hpp>
#include <string>
#include <thread>
#include <vector>

#include "child.hpp"
#include "connection_test.hpp"
#include "reading_ahead.hpp"
#include "signal_storm.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_view_literals;
using test::bytes_of;
using test::errno_of;

// A Connection, and the other side as a bare socket. The parameter: whether it may read ahead, as
// what a Listener or a Client makes does, or not, as what is made of a descriptor.
class Stream : public testing::TestWithParam<bool> {
 protected:
  Stream() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    connection = GetParam() ? test::reading_ahead(ends[0]) : Connection(ends[0]);
    raw = ends[1];
  }
  ~Stream() override { hang_up(); }

  void hang_up() {
    if (raw >= 0) ::close(std::exchange(raw, -1));
  }
  void write(std::string_view bytes) const {
    EXPECT_EQ(::send(raw, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  [[nodiscard]] std::string read(std::size_t size) const {
    std::string bytes(size, '\0');
    EXPECT_EQ(::recv(raw, bytes.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
    return bytes;
  }
  /// The other side as a Connection too.
  [[nodiscard]] Connection peer() { return Connection(std::exchange(raw, -1)); }

  Connection connection;
  int raw = -1;
  test::Watchdog watchdog{60s};
};

TEST_P(Stream, AMessageIsItsBigEndianLengthAndItself) {
  connection.send_bytes("hello");
  EXPECT_EQ(read(9), "\0\0\0\5hello"sv);
  connection.send_bytes("");
  EXPECT_EQ(read(4), "\0\0\0\0"sv);
  connection.send_bytes(std::string(70'000, 'x'));
  EXPECT_EQ(read(4), "\0\1\x11\x70"sv);
  EXPECT_EQ(read(70'000), std::string(70'000, 'x'));
}

TEST_P(Stream, FramesAreReceivedHoweverTheyAreCut) {
  write("\0\0\0\3abc\0\0\0\0\0\0\0\2de"sv);
  EXPECT_EQ(connection.recv_bytes(), bytes_of("abc"));
  EXPECT_EQ(connection.recv_bytes(), bytes_of(""));
  EXPECT_EQ(connection.recv_bytes(), bytes_of("de"));
  std::thread writer([&] {
    for (const char c : "\0\0\0\5hello"sv) {
      write(std::string_view(&c, 1));
      std::this_thread::sleep_for(1ms);
    }
  });
  EXPECT_EQ(connection.recv_bytes(), bytes_of("hello"));
  writer.join();
}

TEST_P(Stream, TheLongFormOfTheLengthIsReceived) {
  write("\xff\xff\xff\xff\0\0\0\0\0\0\0\3abc"sv);
  EXPECT_EQ(connection.recv_bytes(), bytes_of("abc"));
}

TEST_P(Stream, TheLongFormOfTheLengthIsSentFromTwoGibibytesOn) {
  // Nobody writes to it, so it takes no memory.
  constexpr std::size_t kMost = 0x8000'0000;
  void* zeros =
      ::mmap(nullptr, kMost, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ASSERT_NE(zeros, MAP_FAILED);
  const std::span message(static_cast<const std::byte*>(zeros), kMost);
  for (const auto& [size, front] : {std::pair(kMost - 1, "\x7f\xff\xff\xff\0"sv),
                                    std::pair(kMost, "\xff\xff\xff\xff\0\0\0\0\x80\0\0\0\0"sv)}) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    std::thread sender([&, size = size] {
      EXPECT_THROW(Connection(ends[0]).send_bytes(message.first(size)), BrokenPipeError);
    });
    std::string begin(front.size(), 'x');
    EXPECT_EQ(::recv(ends[1], begin.data(), begin.size(), MSG_WAITALL),
              static_cast<ssize_t>(begin.size()));
    EXPECT_EQ(begin, front);
    ::close(ends[1]);
    sender.join();
  }
  ::munmap(zeros, kMost);
}

TEST_P(Stream, TypedMessagesTravelToAnotherConnection) {
  Connection other = peer();
  connection.send(std::map<std::string, int>{{"a", 1}});
  connection.send(2.5);
  EXPECT_EQ((other.recv<std::map<std::string, int>>()), (std::map<std::string, int>{{"a", 1}}));
  EXPECT_THROW(static_cast<void>(other.recv<int>()), TypeError);
  EXPECT_EQ(other.recv<double>(), 2.5);
}

TEST_P(Stream, AnEndBeforeAMessageIsEofAndSendingIsABrokenPipe) {
  write("\0\0\0\1x"sv);
  hang_up();
  EXPECT_EQ(connection.recv_bytes(), bytes_of("x"));
  EXPECT_TRUE(connection.poll());
  EXPECT_THROW(static_cast<void>(connection.recv_bytes()), EOFError);
  EXPECT_THROW(static_cast<void>(connection.recv_bytes()), EOFError);
  EXPECT_THROW(connection.send_bytes("x"), BrokenPipeError);
}

TEST_P(Stream, AnEndInsideTheLengthIsAnError) {
  write("\0\0"sv);
  hang_up();
  EXPECT_EQ(errno_of([&] { static_cast<void>(connection.recv_bytes()); }), ECONNRESET);
}

TEST_P(Stream, AnEndInsideAMessageIsAnError) {
  write("\0\0\0\5abc"sv);
  hang_up();
  EXPECT_EQ(errno_of([&] { static_cast<void>(connection.recv_bytes()); }), ECONNRESET);
}

TEST_P(Stream, AnEndRightBehindTheLengthIsAnErrorToo) {
  write("\0\0\0\5"sv);
  hang_up();
  EXPECT_EQ(errno_of([&] { static_cast<void>(connection.recv_bytes()); }), ECONNRESET);
}

TEST_P(Stream, ANegativeLengthIsAnErrorAndEndsTheReading) {
  write("\xff\xff\xff\xfe\0\0\0\3abc"sv);
  EXPECT_EQ(errno_of([&] { static_cast<void>(connection.recv_bytes()); }), EBADMSG);
  EXPECT_FALSE(connection.readable());
  EXPECT_TRUE(connection.writable());
  EXPECT_EQ(errno_of([&] { static_cast<void>(connection.recv_bytes()); }), EBADF);
}

TEST_P(Stream, AnAbsurdLengthIsAnError) {
  write("\xff\xff\xff\xff\xff\0\0\0\0\0\0\0"sv);
  EXPECT_EQ(errno_of([&] { static_cast<void>(connection.recv_bytes()); }), EBADMSG);
}

TEST_P(Stream, AHugeAnnouncedLengthTakesNoMemoryBeforeItsBytesCome) {
  write("\xff\xff\xff\xff\0\0\1\0\0\0\0\0some"sv);  // a TiB
  hang_up();
  EXPECT_EQ(errno_of([&] { static_cast<void>(connection.recv_bytes()); }), ECONNRESET);
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  EXPECT_LT(used.ru_maxrss, 1'000'000);
}

TEST_P(Stream, MaxlengthIsLookedAtBeforeTheMessageIsRead) {
  write("\xff\xff\xff\xff\0\0\1\0\0\0\0\0"sv);
  EXPECT_EQ(errno_of([&] { static_cast<void>(connection.recv_bytes(256)); }), EMSGSIZE);
  EXPECT_FALSE(connection.readable());
  connection.send_bytes("x");
  EXPECT_EQ(read(5), "\0\0\0\1x"sv);
}

TEST_P(Stream, GarbageOfEverySortIsAnErrorAndNeverMore) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    Connection victim(ends[0]);
    std::string garbage(seed % 60, '\0');
    unsigned state = seed;
    for (char& c : garbage) c = static_cast<char>((state = state * 1'103'515'245 + 12'345) >> 16);
    ASSERT_EQ(::send(ends[1], garbage.data(), garbage.size(), 0),
              static_cast<ssize_t>(garbage.size()));
    ::close(ends[1]);
    try {
      for (;;) static_cast<void>(victim.recv<std::vector<std::string>>());
    } catch (const Error&) {
    } catch (const std::system_error&) {
    }
  }
}

TEST_P(Stream, LargeMessagesComeWhole) {
  Connection other = peer();
  std::thread sender([&] { connection.send_bytes(test::pattern(50'000'000)); });
  EXPECT_TRUE(other.recv_bytes() == test::pattern(50'000'000));
  sender.join();
}

TEST_P(Stream, ThreadsTakeTurnsFrameByFrame) {
  Connection other = peer();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 50; ++n) {
        connection.send_bytes(
            std::vector<char>(n % 2 == 0 ? 400'000U : 10U, static_cast<char>('a' + i)));
      }
    });
  }
  std::atomic<int> whole{0};
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) {
        const std::vector<std::byte> bytes = other.recv_bytes();
        whole += std::count(bytes.begin(), bytes.end(), bytes.front()) ==
                         static_cast<std::ptrdiff_t>(bytes.size())
                     ? 1
                     : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(whole, 150);
}

TEST_P(Stream, SignalsDisturbNothing) {
  test::Child child([&] {
    const test::SignalStorm storm;
    for (int i = 0; i < 50; ++i) connection.send_bytes(std::vector<char>(300'000));
    return connection.recv_bytes().size() == 1;
  });
  connection.close();
  Connection other = peer();
  const test::SignalStorm storm;
  for (int i = 0; i < 50; ++i) EXPECT_EQ(other.recv_bytes().size(), 300'000U);
  std::this_thread::sleep_for(10ms);
  other.send_bytes("x");
  EXPECT_EQ(child.wait(), 0);
}

TEST_P(Stream, HandlesCannotTravelAndTheErrorSaysSo) {
  EXPECT_THROW(connection.send(Lock()), TypeError);
  EXPECT_THROW(connection.send(Pipe().first), TypeError);
  connection.send_bytes("x");
  EXPECT_EQ(read(5), "\0\0\0\1x"sv);
}

TEST_P(Stream, ATravellingConnectionStaysAStream) {
  auto [reader, writer] = Pipe(false);
  writer.send(connection);
  connection.close();
  auto arrived = reader.recv<Connection>();
  arrived.send_bytes("x");
  EXPECT_EQ(read(5), "\0\0\0\1x"sv);
}

TEST_P(Stream, AChildForkedWhileAThreadReceivesCanReceive) {
  auto [go_reader, go] = Pipe(false);
  std::thread receiver([&] { EXPECT_EQ(connection.recv_bytes(), bytes_of("parent")); });
  std::this_thread::sleep_for(20ms);
  test::Child child([&, &g = go_reader] {
    static_cast<void>(g.recv<int>());
    return connection.recv_bytes() == bytes_of("child");
  });
  write("\0\0\0\6parent"sv);
  receiver.join();
  write("\0\0\0\5child"sv);
  go.send(1);
  EXPECT_EQ(child.wait(), 0);
}

TEST(StreamOfADescriptor, TakesOnlyStreamSockets) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  EXPECT_EQ(errno_of([&] { Connection c(ends[0]); }), ENOTSOCK);
  EXPECT_EQ(::close(ends[0]), -1) << "it was not taken over";
  ::close(ends[1]);
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
  EXPECT_THROW(Connection c(ends[0]), ValueError);
  EXPECT_THROW(Connection c(ends[1], false, false), ValueError);
  EXPECT_EQ(errno_of([] { Connection c(-1); }), EBADF);
}

TEST(StreamOfADescriptor, MayBeForOneDirection) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  Connection reader(ends[0], true, false);
  Connection writer(ends[1], false, true);
  writer.send(1);
  EXPECT_EQ(reader.recv<int>(), 1);
  EXPECT_EQ(errno_of([&] { reader.send(1); }), EBADF);
  EXPECT_EQ(errno_of([&] { static_cast<void>(writer.recv<int>()); }), EBADF);
}

INSTANTIATE_TEST_SUITE_P(Both, Stream, testing::Bool(),
                         [](const testing::TestParamInfo<bool>& each) {
                           return each.param ? "ReadingAhead" : "Exact";
                         });

}  // namespace
}  // namespace multiprocessing
