// SPDX-License-Identifier: BSL-1.0
// Messages that do not fit into the kernel's buffer: handed over from sender to receiver.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/synchronize.hpp>
#include <numeric>
#include <thread>
#include <vector>

#include "child.hpp"
#include "connection_test.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "signal_storm.hpp"
#include "watchdog.hpp"

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using test::Child;
using test::errno_of;
using test::pattern;

constexpr std::size_t kLarge = 20'000'000;

class LargeMessage : public testing::Test {
 protected:
  std::pair<Connection, Connection> pipe = Pipe(false);
  Connection& reader = pipe.first;
  Connection& writer = pipe.second;
  test::Watchdog watchdog{100s};
};

TEST_F(LargeMessage, EverySizeAroundTheLimitComesWhole) {
  constexpr std::size_t kLimit = std::size_t{256} * 1024;
  const std::vector<std::size_t> sizes{kLimit - 1, kLimit,  kLimit + 1,    kLimit + 4095,
                                       2 * kLimit, 1 << 20, (1 << 20) + 1, kLarge};
  std::thread sender([&] {
    for (const std::size_t size : sizes) writer.send_bytes(pattern(size));
  });
  for (const std::size_t size : sizes) EXPECT_TRUE(reader.recv_bytes() == pattern(size)) << size;
  sender.join();
}

TEST_F(LargeMessage, OfAType) {
  std::vector<double> numbers(1'000'000);
  std::iota(numbers.begin(), numbers.end(), 0.5);
  std::thread sender([&] { writer.send(numbers); });
  EXPECT_TRUE(reader.recv<std::vector<double>>() == numbers);
  sender.join();
}

TEST_F(LargeMessage, OfAnotherTypeStays) {
  const std::vector<int> numbers(1'000'000, 7);
  std::thread sender([&] { writer.send(numbers); });
  EXPECT_THROW(static_cast<void>(reader.recv<std::vector<double>>()), TypeError);
  sender.join();
  writer.close();
  EXPECT_TRUE(reader.poll());
  EXPECT_TRUE(reader.recv<std::vector<int>>() == numbers);
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST_F(LargeMessage, CarriesHandlesAndDescriptors) {
  struct Load {
    std::vector<char> ballast;
    Lock lock;
    Connection connection;
  };
  auto [inner_reader, inner_writer] = Pipe(false);
  Load load{std::vector<char>(kLarge, 'x'), Lock(), inner_writer};
  std::thread sender([&] { writer.send(load); });

  Load got = reader.recv<Load>();

  sender.join();
  EXPECT_EQ(got.ballast.size(), kLarge);
  got.lock.acquire();
  EXPECT_TRUE(load.lock.locked());
  got.connection.send(3);
  EXPECT_EQ(inner_reader.recv<int>(), 3);
}

TEST_F(LargeMessage, WhoseReceiverIsKilledGoesToTheNext) {
  const std::vector<std::byte> bytes = pattern(kLarge);
  std::atomic<int> sent{0};
  std::thread sender([&] {
    for (; sent < 3; ++sent) writer.send_bytes(bytes);
    writer.close();
  });
  int killed = 0;
  for (; killed < 20; ++killed) {
    auto [begun, begins] = Pipe(false);
    Child victim([&, &b = begins] {
      EXPECT_TRUE(reader.poll(forever));
      b.send(1);
      static_cast<void>(reader.recv_bytes());
      for (;;) ::pause();
    });
    static_cast<void>(begun.recv<int>());
    std::this_thread::sleep_for(std::chrono::microseconds(killed * 200));
    const int before = sent;
    victim.kill();
    // The victim may have had the whole message: then it took it along.
    if (sent != before || sent == 2) break;
  }
  std::size_t received = 0;
  // NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): it is read behind the loop, which throws
  const int taken = sent;
  try {
    for (;; ++received) EXPECT_TRUE(reader.recv_bytes() == bytes);
  } catch (const EOFError&) {
  }
  sender.join();
  EXPECT_GT(killed, 0);
  EXPECT_GE(received, static_cast<std::size_t>(3 - taken - 1));
  EXPECT_LE(received, static_cast<std::size_t>(3 - taken));
}

TEST_F(LargeMessage, WhoseSenderIsKilledIsAnErrorAndTheNextOneIsWhole) {
  Child victim([&] { writer.send_bytes(std::vector<std::byte>(kLarge)); });
  EXPECT_TRUE(reader.poll(5s));
  victim.kill();

  EXPECT_EQ(errno_of([&] { static_cast<void>(reader.recv_bytes()); }), ECONNRESET);

  writer.send(1);
  EXPECT_EQ(reader.recv<int>(), 1);
  writer.close();
  EXPECT_THROW(static_cast<void>(reader.recv<int>()), EOFError);
}

TEST_F(LargeMessage, ThatNobodyReceivesIsABrokenPipeWithoutASignal) {
  static std::atomic<int> signals{0};
  auto* before = std::signal(SIGPIPE, [](int) { ++signals; });
  std::thread closer([&] {
    EXPECT_TRUE(reader.poll(10s));
    reader.close();
  });

  EXPECT_THROW(writer.send_bytes(pattern(kLarge)), BrokenPipeError);

  closer.join();
  EXPECT_EQ(signals.load(), 0);
  std::signal(SIGPIPE, before);
}

TEST_F(LargeMessage, LeavesAPendingSigpipeOfTheProgramAlone) {
  sigset_t only;
  sigset_t old;
  ::sigemptyset(&only);
  ::sigaddset(&only, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &only, &old);
  ::raise(SIGPIPE);
  std::thread receiver([&] { static_cast<void>(reader.recv_bytes()); });

  writer.send_bytes(pattern(kLarge));

  receiver.join();
  sigset_t pending;
  ::sigpending(&pending);
  EXPECT_EQ(::sigismember(&pending, SIGPIPE), 1);
  const timespec at_once{};
  EXPECT_EQ(::sigtimedwait(&only, nullptr, &at_once), SIGPIPE);
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

TEST_F(LargeMessage, SmallMessagesOfOthersMayOvertakeItButNothingIsMixed) {
  std::vector<Child> senders;
  for (int i = 0; i < 3; ++i) {
    senders.emplace_back([&, i] {
      for (int n = 0; n < 60; ++n) {
        const std::size_t size = n % 3 == 0 ? 1'000'000 : 1000;
        writer.send_bytes(std::vector<char>(size, static_cast<char>('a' + i)));
      }
    });
  }
  writer.close();
  int count = 0;
  try {
    for (;; ++count) {
      const std::vector<std::byte> bytes = reader.recv_bytes();
      ASSERT_TRUE(bytes.size() == 1'000'000 || bytes.size() == 1000);
      ASSERT_EQ(std::count(bytes.begin(), bytes.end(), bytes.front()),
                static_cast<std::ptrdiff_t>(bytes.size()));
    }
  } catch (const EOFError&) {
  }
  EXPECT_EQ(count, 180);
}

TEST_F(LargeMessage, SeveralReceiversShareThemAndEachComesOnce) {
  constexpr int kMessages = 60;
  auto [count_reader, count_writer] = Pipe(false);
  std::vector<Child> receivers;
  for (int i = 0; i < 2; ++i) {
    receivers.emplace_back([&, &c = count_writer] {
      writer.close();
      try {
        for (;;) {
          const std::vector<std::byte> bytes = reader.recv_bytes();
          if (bytes != pattern(bytes.size())) return 1;
          c.send(bytes.size());
        }
      } catch (const EOFError&) {
      }
      return 0;
    });
  }
  count_writer.close();
  std::thread sender([&] {
    for (std::size_t n = 0; n < kMessages; ++n) writer.send_bytes(pattern(300'000 + n));
    writer.close();
  });
  std::vector<std::size_t> sizes;
  try {
    for (;;) sizes.push_back(count_reader.recv<std::size_t>());
  } catch (const EOFError&) {
  }
  sender.join();
  for (Child& receiver : receivers) EXPECT_EQ(receiver.wait(), 0);
  std::sort(sizes.begin(), sizes.end());
  ASSERT_EQ(sizes.size(), static_cast<std::size_t>(kMessages));
  for (std::size_t n = 0; n < kMessages; ++n) EXPECT_EQ(sizes[n], 300'000 + n);
}

TEST_F(LargeMessage, LeavesNoDescriptorAndNoSharedMemoryBehind) {
  writer.send("what a pipe keeps from its first message on");
  EXPECT_FALSE(reader.recv_bytes().empty());
  const std::size_t descriptors = test::open_descriptors();
  const std::size_t blocks = memory::usage().blocks;
  std::thread sender([&] {
    for (int n = 0; n < 200; ++n) writer.send_bytes(std::vector<char>(400'000));
  });
  for (int n = 0; n < 200; ++n) EXPECT_EQ(reader.recv_bytes().size(), 400'000U);
  sender.join();
  EXPECT_EQ(test::open_descriptors(), descriptors);
  EXPECT_EQ(memory::usage().blocks, blocks);
}

TEST_F(LargeMessage, WithoutRoomForItsDescriptorComesAgain) {
  Child sender([&] { writer.send_bytes(pattern(kLarge)); });
  EXPECT_TRUE(reader.poll(10s));
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{0, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  const int error = errno_of([&] { static_cast<void>(reader.recv_bytes()); });
  ::setrlimit(RLIMIT_NOFILE, &before);

  EXPECT_EQ(error, EMFILE);
  EXPECT_TRUE(reader.recv_bytes() == pattern(kLarge));
  EXPECT_EQ(sender.wait(), 0);
}

TEST_F(LargeMessage, SignalsDisturbNeitherSide) {
  Child child([&] {
    const test::SignalStorm storm;
    for (int i = 0; i < 20; ++i) writer.send_bytes(pattern(2'000'000));
  });
  writer.close();
  const test::SignalStorm storm;
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(reader.recv_bytes() == pattern(2'000'000));
  EXPECT_THROW(static_cast<void>(reader.recv_bytes()), EOFError);
  EXPECT_EQ(child.wait(), 0);
}

TEST_F(LargeMessage, AChildForkedMeanwhileDoesNotKeepTheSenderWaiting) {
  auto [go_reader, go] = Pipe(false);
  const std::vector<std::byte> bytes = pattern(kLarge);
  std::atomic<bool> received{false};
  std::thread sender([&] { writer.send_bytes(bytes); });
  std::thread receiver([&] {
    EXPECT_TRUE(reader.recv_bytes() == bytes);
    received = true;
  });
  std::vector<Child> children;
  while (!received) {
    children.emplace_back([&g = go_reader] { static_cast<void>(g.recv<int>()); });
    std::this_thread::sleep_for(1ms);
  }
  receiver.join();
  sender.join();
  for (std::size_t i = 0; i < children.size(); ++i) go.send(1);
  for (Child& child : children) EXPECT_EQ(child.wait(), 0);
}

// ThreadSanitizer keeps four bytes for each that is touched.
#if !defined(__SANITIZE_THREAD__)
// That this process ever had at a time, in bytes.
std::size_t most_memory() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  return static_cast<std::size_t>(used.ru_maxrss) * 1024;
}

TEST_F(LargeMessage, OfGibibytesNeedsNoMoreMemoryThanItself) {
  const std::size_t size =
      test::long_form() ? (std::size_t{5} << 30) + 5 : (std::size_t{300} << 20) + 5;
  Child child([&] {
    // Not counted: what the other tests of this program have left in the heap it inherits.
    const std::size_t before = most_memory();
    std::vector<std::byte> bytes(size);
    bytes.back() = std::byte{9};
    writer.send_bytes(bytes);
    return most_memory() - before < size + (std::size_t{32} << 20);
  });
  writer.close();
  const std::vector<std::byte> bytes = reader.recv_bytes();
  EXPECT_EQ(bytes.size(), size);
  EXPECT_EQ(bytes.capacity(), size);
  EXPECT_EQ(bytes.back(), std::byte{9});
  EXPECT_EQ(child.wait(), 0);
}
#endif

}  // namespace
}  // namespace multiprocessing
