// SPDX-License-Identifier: BSL-1.0
// What happens where memory, address space or files are limited.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/memory.hpp>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "child.hpp"
#include "fresh_program.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "memory/layout.hpp"
#include "memory/object.hpp"
#include "memory/parcel.hpp"
#include "memory/segment.hpp"
#include "traced_process.hpp"

namespace multiprocessing::memory {
namespace {

constexpr std::size_t kMiB = 1 << 20;

// 0: MemoryError came between the two numbers of MiB, and what was freed could be had again.
int fill_and_refill(std::size_t at_least, std::size_t at_most) {
  std::vector<void*> blocks;
  try {
    for (;;) blocks.push_back(allocate(kMiB / 2));
  } catch (const MemoryError& error) {
    if (std::string(error.what()).find("set_segment_limit") == std::string::npos) return 1;
  }
  const std::size_t mib = usage().taken_bytes / kMiB;
  if (mib < at_least || mib > at_most) return 2;
  const std::size_t count = blocks.size();
  for (void* block : blocks) deallocate(block);
  for (std::size_t i = 0; i < count; ++i) {
    void* block = allocate(kMiB / 2);
    std::memset(block, 1, kMiB / 2);
  }
  return 0;
}

FRESH_SCENARIO(limit_by_call) {
  set_segment_limit(32 * kMiB);
  return fill_and_refill(31, 32);
}

FRESH_SCENARIO(limit_by_environment) { return fill_and_refill(15, 16); }

FRESH_SCENARIO(limit_of_nonsense) {
  try {
    static_cast<void>(allocate(1));
  } catch (const ValueError& error) {
    return std::string(error.what()).find("MULTIPROCESSING_SEGMENT_LIMIT") != std::string::npos ? 0
                                                                                                : 2;
  }
  return 1;
}

FRESH_SCENARIO(limit_too_late) {
  deallocate(allocate(1));
  try {
    set_segment_limit(32 * kMiB);
  } catch (const RuntimeError&) {
    return 0;
  }
  return 1;
}

struct Cell : ObjectHeader {
  static constexpr ObjectKind kKind = ObjectKind::kMemory;
};

void take_all_room() {
  for (std::size_t bytes = kMiB; bytes >= 64; bytes /= 2) {
    try {
      for (;;) static_cast<void>(allocate(bytes));
    } catch (const MemoryError&) {
    }
  }
}

// The child asks for one reference more than the object's header has room for.
FRESH_SCENARIO(handle_without_room) {
  set_segment_limit(8 * kMiB);
  auto* place = static_cast<std::atomic<Offset>*>(allocate(64));
  place->store(0);
  test::Child child([&] {
    while (place->load() == 0) ::usleep(1000);
    try {
      static_cast<void>(adopt(place->load()));
    } catch (const MemoryError&) {
      return 0;
    }
    return 1;
  });
  const Handle cell = make_object<Cell>();
  for (std::size_t i = 1; i < ObjectHeader::kInline; ++i) {
    static_cast<void>(make_parcel(1, 1, std::span(&cell, 1)));
  }
  take_all_room();
  place->store(offset_of(cell.get()));
  return child.wait();
}

FRESH_SCENARIO(parcel_without_room) {
  set_segment_limit(8 * kMiB);
  const Handle cell = make_object<Cell>();
  for (std::size_t i = 1; i < ObjectHeader::kInline; ++i) {
    static_cast<void>(make_parcel(1, 1, std::span(&cell, 1)));
  }
  // Room for the parcel, and for no more references to what is in it.
  void* const room = allocate(128);
  take_all_room();
  deallocate(room);
  const std::size_t before = usage().blocks;
  try {
    static_cast<void>(make_parcel(1, 1, std::span(&cell, 1)));
  } catch (const MemoryError&) {
    return usage().blocks == before ? 0 : 2;
  }
  return 1;
}

FRESH_SCENARIO(little_address_space) {
  const rlimit limit{4096 * kMiB, 4096 * kMiB};
  ::setrlimit(RLIMIT_AS, &limit);
  void* block = allocate(100 * kMiB);
  std::memset(block, 1, 100 * kMiB);
  deallocate(block);
  return 0;
}

FRESH_SCENARIO(small_files_only) {
  const rlimit limit{256 * kMiB, 256 * kMiB};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  void* block = allocate(100 * kMiB);
  std::memset(block, 1, 100 * kMiB);
  deallocate(block);
  try {
    static_cast<void>(allocate(300 * kMiB));
  } catch (const MemoryError&) {
    return 0;
  }
  return 1;
}

// A process that finds the count too high, as a killed one may leave it, is stopped after `steps`
// instructions, and another takes memory then. False: it had ended before.
bool counts_what_is_taken_after(int steps, int& failures) {
  Control& control = mapping().control();
  blocks().trim();
  control.taken_chunks.store(control.limit_chunks);
  test::TracedProcess counts([] { self(); }, [] { static_cast<void>(allocate(kMiB / 2)); });
  void* block = nullptr;
  auto state = test::TracedProcess::State::kStopped;
  for (int step = 0; state == test::TracedProcess::State::kStopped; ++step) {
    if (step == steps) block = allocate(kMiB / 2);
    state = counts.step();
  }
  const std::uint64_t counted = control.taken_chunks.load() & 0xffff'ffff;
  if (counted * kMiB < usage().taken_bytes) ++failures;
  if (block != nullptr) deallocate(block);
  return block != nullptr;
}

FRESH_SCENARIO(count_anew) {
  set_segment_limit(8 * kMiB);
  deallocate(allocate(kMiB / 2));
  int failures = 0;
  // Each is walked to from the first instruction on: all of them would take half an hour. Others
  // each time.
  const int stride = test::rounds(290, 7);
  int steps = static_cast<int>(std::random_device()() % static_cast<unsigned>(stride));
  while (counts_what_is_taken_after(steps, failures)) steps += stride;
  return failures;
}

TEST(SegmentLimit, CountsWhatOthersTakeWhileItCountsAnew) {
  EXPECT_EQ(::test::run_fresh("count_anew"), 0);
}

FRESH_SCENARIO(small_after_large) {
  set_segment_limit(8 * kMiB);
  std::vector<void*> large;
  try {
    for (;;) large.push_back(allocate(100'000));
  } catch (const MemoryError&) {
  }
  for (void* block : large) deallocate(block);
  for (std::size_t i = 0; i < large.size(); ++i) static_cast<void>(allocate(64));
  return large.size() < 50 ? 1 : 0;
}

TEST(SegmentLimit, WhatLargeBlocksTookIsThereForSmallOnesLater) {
  EXPECT_EQ(::test::run_fresh("small_after_large"), 0);
}

std::vector<void*> take_as_many_as_there_are(std::size_t bytes) {
  std::vector<void*> taken;
  try {
    for (;;) taken.push_back(std::memset(allocate(bytes), 1, bytes));
  } catch (const MemoryError&) {
  }
  return taken;
}

FRESH_SCENARIO(large_after_small) {
  set_segment_limit(16 * kMiB);
  std::size_t counts[3] = {};
  for (int round = 0; round < 3; ++round) {
    for (const std::size_t bytes : {std::size_t{100'000}, std::size_t{5'000}, 2 * kMiB}) {
      const std::vector<void*> taken = take_as_many_as_there_are(bytes);
      std::size_t& before = counts[bytes == 100'000 ? 0 : bytes == 5'000 ? 1 : 2];
      if (round != 0 && taken.size() + 1 < before) return 1;
      before = taken.size();
      for (void* block : taken) deallocate(block);
    }
    deallocate(allocate(14 * kMiB));
  }
  return counts[0] < 95 || counts[1] < 2300 || counts[2] < 7 ? 2 : 0;
}

TEST(SegmentLimit, WhatSmallBlocksTookIsThereForLargeOnesLater) {
  EXPECT_EQ(::test::run_fresh("large_after_small"), 0);
}

TEST(SegmentLimit, IsKeptAndWhatIsFreedCanBeHadAgain) {
  EXPECT_EQ(::test::run_fresh("limit_by_call"), 0);
}

TEST(SegmentLimit, IsTakenFromTheEnvironment) {
  EXPECT_EQ(::test::run_fresh("limit_by_environment", {"MULTIPROCESSING_SEGMENT_LIMIT=16777216"}),
            0);
}

TEST(SegmentLimit, InTheEnvironmentThatIsNoNumberIsAnError) {
  EXPECT_EQ(::test::run_fresh("limit_of_nonsense", {"MULTIPROCESSING_SEGMENT_LIMIT=16M"}), 0);
}

TEST(SegmentLimit, CannotBeSetOnceObjectsExist) {
  EXPECT_EQ(::test::run_fresh("limit_too_late"), 0);
}

TEST(SegmentLimit, WithoutRoomForAReferenceIsAMemoryError) {
  EXPECT_EQ(::test::run_fresh("handle_without_room"), 0);
}

TEST(SegmentLimit, LeavesNothingOfAParcelForWhoseHandlesThereIsNoRoom) {
  EXPECT_EQ(::test::run_fresh("parcel_without_room"), 0);
}

TEST(SegmentLimit, OfZeroIsRefused) { EXPECT_THROW(set_segment_limit(0), ValueError); }

// The sanitizers' own shadow needs more address space than this leaves.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(Arena, WorksInALittleAddressSpace) { EXPECT_EQ(::test::run_fresh("little_address_space"), 0); }
#endif

TEST(Arena, WorksWhereOnlySmallFilesAreAllowed) {
  EXPECT_EQ(::test::run_fresh("small_files_only"), 0);
}

TEST(Arena, GivesTheMemoryOfALargeBlockBack) {
  const std::size_t before = usage().taken_bytes;
  void* block = allocate(1024 * kMiB);
  EXPECT_GE(usage().taken_bytes, 1024 * kMiB);
  deallocate(block);
  EXPECT_LE(usage().taken_bytes, before + 64 * kMiB);
}

// What the kernel has given, not what is counted.
std::size_t memory_of_the_arena() {
  struct stat file {};
  ::fstat(mapping().descriptor, &file);
  return static_cast<std::size_t>(file.st_blocks) * 512;
}

TEST(Arena, GivesTheMemoryOfManySmallBlocksBack) {
  constexpr std::size_t kBytes = 60'000;
  const std::size_t before = memory_of_the_arena();
  std::vector<void*> taken;
  while (memory_of_the_arena() < before + 600 * kMiB) taken.push_back(allocate(kBytes));
  for (void* block : taken) deallocate(block);
  EXPECT_LE(memory_of_the_arena(), before + 260 * kMiB);

  for (void*& block : taken) block = std::memset(allocate(kBytes), 1, kBytes);
  EXPECT_LE(memory_of_the_arena(), before + 603 * kMiB);
  for (void* block : taken) deallocate(block);

  blocks().trim();
  EXPECT_LE(memory_of_the_arena(), before + 8 * kMiB);
}

}  // namespace
}  // namespace multiprocessing::memory
