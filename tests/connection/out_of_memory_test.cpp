// SPDX-License-Identifier: BSL-1.0
// A message stays when there is no memory to receive it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <multiprocessing/connection.hpp>
#include <new>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "child.hpp"
#include "connection/core.hpp"
#include "connection_test.hpp"
#include "watchdog.hpp"

namespace {

// How many allocations of this thread succeed until one fails; below 0: all do.
thread_local int successes_left = -1;

void* or_fail(void* (*allocate)(std::size_t, std::size_t), std::size_t bytes, std::size_t aligned) {
  if (successes_left >= 0 && successes_left-- == 0) throw std::bad_alloc();
  void* const block = allocate(bytes, aligned);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void* plain(std::size_t bytes, std::size_t) { return std::malloc(bytes); }
void* aligned(std::size_t bytes, std::size_t to) {
  return std::aligned_alloc(to, (bytes + to - 1) / to * to);
}

}  // namespace

// Not inlined: a compiler that sees into one of them alone takes free() for the wrong counterpart.
[[gnu::noinline]] void* operator new(std::size_t bytes) { return or_fail(plain, bytes, 0); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t to) {
  return or_fail(aligned, bytes, static_cast<std::size_t>(to));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  return std::malloc(bytes);
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
  std::free(block);
}

namespace multiprocessing {
namespace {

using namespace std::chrono_literals;
using detail::ConnectionCore;
using detail::Incoming;

class OutOfMemory : public testing::Test {
 protected:
  void send(std::size_t bytes, const std::vector<int>& descriptors = {}) {
    ConnectionCore::of(writer).send(0, test::pattern(bytes), {}, descriptors);
  }

  // In a thread that has no buffer of earlier messages; none: an allocation failed.
  std::optional<Incoming> try_to_receive(int successes) {
    std::optional<Incoming> message;
    std::thread([&] {
      try {
        successes_left = successes;
        message = ConnectionCore::of(reader).receive("recv");
      } catch (const std::bad_alloc&) {
      }
      successes_left = -1;
    }).join();
    return message;
  }

  // With the first allocation failing, then with the second one, until none fails.
  void expect_to_receive(std::size_t bytes, std::size_t descriptors = 0) {
    const std::size_t open = test::open_descriptors();
    for (int failed = 0;; ++failed) {
      ASSERT_TRUE(reader.poll(10s)) << "lost when allocation " << failed << " failed";
      const std::optional<Incoming> message = try_to_receive(failed);
      if (!message) continue;
      EXPECT_GT(failed, 0);
      EXPECT_TRUE(std::ranges::equal(message->bytes, test::pattern(bytes)));
      EXPECT_EQ(message->descriptors.size(), descriptors);
      EXPECT_EQ(test::open_descriptors(), open + descriptors);
      return;
    }
  }

  std::pair<Connection, Connection> ends = Pipe(false);
  Connection& reader = ends.first;
  Connection& writer = ends.second;
  test::Watchdog watchdog;
};

TEST_F(OutOfMemory, AMessageInTheLaneStays) {
  send(100);
  expect_to_receive(100);
}

TEST_F(OutOfMemory, AMessageInAPacketStays) {
  send(50'000);
  expect_to_receive(50'000);
}

TEST_F(OutOfMemory, AMessageWithDescriptorsStays) {
  send(100, std::vector(3, 0));
  expect_to_receive(100, 3);
}

TEST_F(OutOfMemory, AMessageWithMoreDescriptorsThanRideOnAPacketStays) {
  send(100, std::vector(300, 0));
  expect_to_receive(100, 300);
}

TEST_F(OutOfMemory, AMessageElsewhereComesAgain) {
  const test::Child sender([&] { send(1'000'000, {0}); });
  expect_to_receive(1'000'000, 1);
}

}  // namespace
}  // namespace multiprocessing
