// SPDX-License-Identifier: BSL-1.0
// A segment without room: every call that needs some says so and changes nothing.
#include <cstdio>
#include <functional>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/memory.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/sharedctypes.hpp>
#include <multiprocessing/synchronize.hpp>
#include <string>
#include <vector>

#include "memory/arena.hpp"
#include "process_test.hpp"

namespace mp = multiprocessing;
namespace memory = multiprocessing::memory;
using namespace std::chrono_literals;
using testing::HasSubstr;

namespace {

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kLargestSmallBlock = 128 << 10;

// The next smaller size to ask for, so that no size of small blocks is left out.
std::size_t next_smaller(std::size_t bytes) { return bytes > 4096 ? bytes / 4 * 3 : bytes - 64; }

// Takes all the room that there is.
class FullSegment {
 public:
  FullSegment() {
    for (std::size_t bytes = kMiB; bytes >= 64; bytes = next_smaller(bytes)) {
      try {
        for (;;) blocks_.push_back(memory::allocate(bytes));
      } catch (const mp::MemoryError&) {
      }
    }
  }
  ~FullSegment() {
    for (void* block : blocks_) memory::deallocate(block);
  }
  FullSegment(const FullSegment&) = delete;
  FullSegment& operator=(const FullSegment&) = delete;

 private:
  std::vector<void*> blocks_;
};

// Tries it with a little more room each time, so that it fails at each block that it needs.
void expect_all_or_nothing(const char* name, const std::function<void()>& make) {
  SCOPED_TRACE(name);
  make();
  std::vector<void*> spare;
  for (int i = 0; i < 2; ++i) {
    for (std::size_t bytes = kLargestSmallBlock; bytes >= 64; bytes = next_smaller(bytes)) {
      spare.push_back(memory::allocate(bytes));
    }
  }
  int refused = 0;
  {
    const FullSegment full;
    for (void* block : spare) {
      const std::size_t before = memory::usage().blocks;
      try {
        make();
      } catch (const mp::MemoryError& error) {
        ++refused;
        EXPECT_THAT(error.what(), HasSubstr("set_segment_limit"));
      }
      EXPECT_EQ(memory::usage().blocks, before);
      memory::deallocate(block);
    }
  }
  EXPECT_GT(refused, 0);
  make();
}

int result() { return testing::Test::HasFailure() ? 1 : 0; }

FRESH_SCENARIO(objects_without_room) {
  mp::set_segment_limit(32 * kMiB);
  mp::Lock lock;
  expect_all_or_nothing("Lock", [] { mp::Lock(); });
  expect_all_or_nothing("RLock", [] { mp::RLock(); });
  expect_all_or_nothing("Semaphore", [] { mp::Semaphore(2); });
  expect_all_or_nothing("BoundedSemaphore", [] { mp::BoundedSemaphore(2); });
  expect_all_or_nothing("Event", [] { mp::Event(); });
  expect_all_or_nothing("Condition", [] { mp::Condition(); });
  expect_all_or_nothing("Condition of a lock", [&] { mp::Condition{lock}; });
  expect_all_or_nothing("Barrier", [] { mp::Barrier(2); });
  expect_all_or_nothing("Value", [] { mp::Value<int>(3); });
  expect_all_or_nothing("Value with a lock", [&] { mp::Value<int>(mp::with_lock(lock), 3); });
  expect_all_or_nothing("RawValue", [] { mp::RawValue<int>(3); });
  expect_all_or_nothing("Array", [] { mp::Array<double>(std::size_t{10'000}); });
  expect_all_or_nothing("RawArray", [] { mp::RawArray<double>(std::size_t{10}); });
  expect_all_or_nothing("Queue", [] { mp::Queue<int>(); });
  expect_all_or_nothing("JoinableQueue", [] { mp::JoinableQueue<int>(5); });
  expect_all_or_nothing("SimpleQueue", [] { mp::SimpleQueue<int>(); });
  expect_all_or_nothing("Pipe", [] { static_cast<void>(mp::Pipe()); });
  EXPECT_TRUE(lock.acquire(false));
  return result();
}

// Puts until there is no room; what was put comes out, and one more goes in.
template <class Queue, class T> void expect_puts_all_or_nothing(const char* name, const T& item) {
  SCOPED_TRACE(name);
  const Queue q;
  int put = 0;
  {
    const FullSegment full;
    EXPECT_THROW(for (;; ++put) q.put(item), mp::MemoryError);
    EXPECT_THROW(q.put(item), mp::MemoryError);
  }
  for (int i = 0; i < put; ++i) static_cast<void>(q.get());
  EXPECT_TRUE(q.empty());
  q.put(item);
  static_cast<void>(q.get());
  if constexpr (requires { q.task_done(); }) {
    for (int i = 0; i < put + 1; ++i) q.task_done();
    EXPECT_THROW(q.task_done(), mp::ValueError) << "what was not put is waited for";
    EXPECT_TRUE(q.join(0s));
  }
}

FRESH_SCENARIO(puts_without_room) {
  mp::set_segment_limit(32 * kMiB);
  const std::string large(3 * kMiB, 'x');
  expect_puts_all_or_nothing<mp::Queue<int>>("Queue of int", 1);
  expect_puts_all_or_nothing<mp::Queue<std::string>>("Queue of strings", large);
  expect_puts_all_or_nothing<mp::Queue<mp::Lock>>("Queue of locks", mp::Lock());
  expect_puts_all_or_nothing<mp::JoinableQueue<int>>("JoinableQueue of int", 1);
  expect_puts_all_or_nothing<mp::JoinableQueue<std::string>>("JoinableQueue of strings", large);
  expect_puts_all_or_nothing<mp::JoinableQueue<mp::Lock>>("JoinableQueue of locks", mp::Lock());
  expect_puts_all_or_nothing<mp::SimpleQueue<int>>("SimpleQueue of int", 1);
  expect_puts_all_or_nothing<mp::SimpleQueue<std::string>>("SimpleQueue of strings", large);
  expect_puts_all_or_nothing<mp::SimpleQueue<mp::Lock>>("SimpleQueue of locks", mp::Lock());
  return result();
}

FRESH_SCENARIO(sends_without_room) {
  mp::set_segment_limit(8 * kMiB);
  const mp::Lock lock;
  auto [a, b] = mp::Pipe();
  a.send(6);
  EXPECT_EQ(b.recv<int>(), 6);
  {
    const FullSegment full;
    EXPECT_THROW(for (;;) a.send(lock), mp::MemoryError);
    while (b.poll()) static_cast<void>(b.recv<mp::Lock>());
    a.send(7);
    EXPECT_EQ(b.recv<int>(), 7);
  }
  a.send(lock);
  EXPECT_FALSE(b.recv<mp::Lock>().locked());
  return result();
}

FRESH_SCENARIO(sends_a_first_message_without_room) {
  mp::set_segment_limit(8 * kMiB);
  auto [a, b] = mp::Pipe();
  {
    const FullSegment full;
    EXPECT_THROW(a.send(7), mp::MemoryError);
    EXPECT_FALSE(b.poll());
  }
  a.send(8);
  EXPECT_EQ(b.recv<int>(), 8);
  return result();
}

// The lock has room for five references; a sixth holder needs a block.
FRESH_SCENARIO(starts_without_room) {
  mp::set_segment_limit(8 * kMiB);
  const mp::Lock lock;
  mp::Event end;
  mp::test::SharedWord ran;
  std::vector<mp::Process> processes;
  const auto start = [&] {
    processes.emplace_back(
        [&](mp::Lock mine) {
          mine.acquire();
          ++ran;
          mine.release();
          end.wait();
        },
        lock);
    processes.back().start();
  };
  for (int i = 1; i <= 4; ++i) start();
  ran.await(4);

  {
    const FullSegment full;
    start();
    processes.back().join();
    EXPECT_EQ(processes.back().exitcode(), 1);
    EXPECT_EQ(ran, 4);
  }

  start();
  ran.await(5);
  end.set();
  for (const auto& p : processes) EXPECT_TRUE(p.join(20s));
  EXPECT_EQ(processes.back().exitcode(), 0);
  return result();
}

using ProcessSegment = mp::test::ProcessTest;
using ProcessSegmentByFork = ProcessSegment;

TEST_F(ProcessSegment, WithoutRoomForAnObjectIsAMemoryErrorAndLeavesNoPartOfIt) {
  EXPECT_EQ(::test::run_fresh("objects_without_room"), 0);
}

TEST_F(ProcessSegment, WithoutRoomForAMessageIsAMemoryErrorAndNothingIsPut) {
  EXPECT_EQ(::test::run_fresh("puts_without_room"), 0);
}

TEST_F(ProcessSegment, WithoutRoomForAHandleInAPipeIsAMemoryErrorAndNothingIsSent) {
  EXPECT_EQ(::test::run_fresh("sends_without_room"), 0);
}

TEST_F(ProcessSegment, WithoutRoomForTheFirstMessageOfAPipeIsAMemoryErrorAndNothingIsSent) {
  EXPECT_EQ(::test::run_fresh("sends_a_first_message_without_room"), 0);
}

TEST_F(ProcessSegmentByFork, WithoutRoomForAChildsReferencesIsItsErrorAndItsTargetDoesNotRun) {
  const auto [code, output] = mp::test::capture_fresh("starts_without_room");

  EXPECT_EQ(code, 0) << output;
  EXPECT_THAT(output, HasSubstr("Process Process-5 ("));
  EXPECT_THAT(output, HasSubstr("MemoryError: shared memory is used up"));
}

}  // namespace
