// SPDX-License-Identifier: BSL-1.0
// Many objects, many rounds, no room left: what shared objects cost their program and its children.
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
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
#include "memory/layout.hpp"
#include "process_test.hpp"

namespace mp = multiprocessing;
namespace memory = multiprocessing::memory;

namespace {

using ProcessLimits = mp::test::ProcessTest;
using ProcessLimitsByFork = ProcessLimits;

int open_descriptors() {
  const auto entries = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<int>(std::distance(begin(entries), end(entries)));
}

void limit_descriptors_to(rlim_t count) {
  const rlimit limit{count, count};
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("no limit");
}

int run(const std::function<void()>& target) {
  mp::Process p([&] { target(); });
  p.start();
  p.join();
  return p.exitcode().value();
}

TEST_F(ProcessLimitsByFork, TenThousandLocksNeedNoDescriptors) {
  EXPECT_EQ(mp::test::in_child([] {
              run([] {});
              const int before = open_descriptors();
              limit_descriptors_to(256);
              {
                std::vector<mp::Lock> locks(10'000);
                for (auto& lock : locks) lock.acquire();
                const int code = run([&] {
                  for (auto& lock : locks) {
                    if (lock.acquire(false)) mp::exit(1);
                    lock.release();
                    lock.acquire();
                  }
                  for (auto& lock : locks) lock.release();
                });
                if (code != 0) return 1;
                for (auto& lock : locks) {
                  if (!lock.acquire(false)) return 2;
                }
                if (open_descriptors() != before) return 3;
              }
              return open_descriptors() == before ? 0 : 4;
            }),
            0);
}

TEST_F(ProcessLimitsByFork, TenThousandValuesNeedNoDescriptors) {
  EXPECT_EQ(mp::test::in_child([] {
              run([] {});
              const int before = open_descriptors();
              limit_descriptors_to(256);
              {
                std::vector<mp::Value<int>> values;
                for (int i = 0; i < 10'000; ++i) values.emplace_back(i);
                const int code = run([&] {
                  for (int i = 0; i < 10'000; ++i) {
                    auto& value = values[static_cast<std::size_t>(i)];
                    if (value.value() != i) mp::exit(1);
                    value.update([](int& v) { v *= 2; });
                  }
                });
                if (code != 0) return 1;
                for (int i = 0; i < 10'000; ++i) {
                  if (values[static_cast<std::size_t>(i)].value() != 2 * i) return 2;
                }
                if (open_descriptors() != before) return 3;
              }
              return open_descriptors() == before ? 0 : 4;
            }),
            0);
}

struct Footprint {
  std::size_t blocks;
  std::size_t taken_bytes;
  long file_blocks;
};

Footprint footprint() {
  memory::note_death();
  const memory::Usage usage = memory::usage();
  struct stat file {};
  ::fstat(memory::mapping().descriptor, &file);
  return {usage.blocks, usage.taken_bytes, file.st_blocks};
}

// Makes and drops one of each, with what they hold.
void make_and_drop_ten() {
  mp::Lock lock;
  const mp::RLock rlock;
  const mp::Semaphore semaphore(2);
  const mp::BoundedSemaphore bounded(2);
  const mp::Condition condition(lock);
  const mp::Event event;
  const mp::Barrier barrier(2);
  const mp::Value<int> value(3);
  const mp::Array<double> array(static_cast<std::size_t>(10));
  const mp::Queue<mp::Lock> queue;
  queue.put(lock);
}

void create_and_drop_with_forks(int objects) {
  for (int made = 0; made < objects; made += 1'000) {
    for (int i = 0; i < 50; ++i) make_and_drop_ten();
    mp::Queue<mp::Lock> dropped;
    dropped.put(mp::Lock());
    mp::Process ends([&] { make_and_drop_ten(); });
    mp::Process is_killed([](const mp::Queue<mp::Lock>&) { mp::test::sleep_for_ever(); }, dropped);
    ends.start();
    is_killed.start();
    dropped = mp::Queue<mp::Lock>();
    for (int i = 0; i < 50; ++i) make_and_drop_ten();
    is_killed.kill();
    ends.join();
    is_killed.join();
    if (ends.exitcode() != 0) throw std::runtime_error("a child failed");
  }
}

TEST_F(ProcessLimitsByFork, HundredsOfThousandsOfObjectsWithForksBetweenThemLeaveTheMemoryFlat) {
  EXPECT_EQ(mp::test::in_child([] {
              create_and_drop_with_forks(20'000);
              const Footprint before = footprint();
              create_and_drop_with_forks(mp::test::rounds(200'000, 2'000'000));
              const Footprint after = footprint();
              EXPECT_EQ(after.blocks, before.blocks);
              EXPECT_EQ(after.taken_bytes, before.taken_bytes);
              // Each process writes to a slot of its own until all have been used once.
              constexpr long kTable = memory::kSlots * sizeof(memory::Slot) / 512;
              EXPECT_LE(after.file_blocks, before.file_blocks + kTable);
              return testing::Test::HasFailure() ? 1 : 0;
            }),
            0);
}

}  // namespace
