// SPDX-License-Identifier: BSL-1.0
// Processes killed at any instruction of the arena's operations: what they had comes back, what
// others have stays.
#include <gtest/gtest.h>

#include <cstring>
#include <multiprocessing/errors.hpp>
#include <random>
#include <vector>

#include "blocks_test.hpp"
#include "child.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "memory/block_allocator.hpp"
#include "memory/layout.hpp"
#include "memory/object.hpp"
#include "memory/parcel.hpp"
#include "memory/segment.hpp"
#include "random_killer.hpp"
#include "step_killer.hpp"

namespace multiprocessing::memory {
namespace {

using test::kill_at_every_step;

struct Cell : ObjectHeader {
  static constexpr ObjectKind kKind = ObjectKind::kNone;
  std::atomic<int> value{7};
};

using ArenaUnderKills = BlocksTest;

TEST_F(ArenaUnderKills, TakingAndFreeingABlockLeavesNothing) {
  const auto report = kill_at_every_step({.approach = [] { self(); },
                                          .act = [] { deallocate(allocate(100)); },
                                          .check = [&] { expect_nothing_left(); }});
  EXPECT_GT(report.kills, 20);
}

TEST_F(ArenaUnderKills, TakingAndFreeingARunOfChunksLeavesNothing) {
  kill_at_every_step({.approach = [] { self(); },
                      .act = [] { deallocate(allocate(std::size_t{5} << 20)); },
                      .check = [&] { expect_nothing_left(); }});
}

TEST_F(ArenaUnderKills, ABlockThatIsLargerThanAskedForLeavesNothing) {
  constexpr std::size_t kAskedFor = 70'000;
  void* const other = allocate(kMaxClassBytes);
  Control& control = mapping().control();
  const std::uint64_t limit = control.limit_chunks;
  blocks().trim();
  control.limit_chunks = blocks().chunks_with_memory();
  void* const block = allocate(kAskedFor);
  EXPECT_EQ(blocks().block_size(block), kMaxClassBytes);
  deallocate(block);

  kill_at_every_step({.approach = [] { self(); },
                      .act = [] { deallocate(allocate(kAskedFor)); },
                      .check = [&] { expect_nothing_left(1); }});

  control.limit_chunks = limit;
  deallocate(other);
}

TEST_F(ArenaUnderKills, GivingAwayTheMemoryOfFreeBlocksAndGettingItBackLeavesNothing) {
  deallocate(allocate(kMaxClassBytes));
  blocks().trim();
  const std::size_t chunks = blocks().chunks_with_memory();

  kill_at_every_step({.approach = [] { self(); },
                      .act =
                          [] {
                            deallocate(allocate(kMaxClassBytes));
                            blocks().trim();
                          },
                      .check =
                          [&] {
                            expect_nothing_left();
                            void* const block = allocate(kMaxClassBytes);
                            std::memset(block, 1, kMaxClassBytes);
                            deallocate(block);
                            blocks().trim();
                            EXPECT_EQ(blocks().chunks_with_memory(), chunks);
                          }});
}

TEST_F(ArenaUnderKills, AFreedBlockIsFoundAgainInAChunkThatWasFull) {
  void* const other = allocate(kMaxClassBytes);
  Control& control = mapping().control();
  const std::uint64_t limit = control.limit_chunks;
  blocks().trim();
  control.limit_chunks = blocks().chunks_with_memory();
  void* block = nullptr;

  kill_at_every_step({.approach =
                          [&] {
                            block = allocate(kMaxClassBytes);
                            EXPECT_THROW(static_cast<void>(allocate(kMaxClassBytes)), MemoryError);
                          },
                      .act = [&] { deallocate(block); },
                      .check =
                          [&] {
                            note_death();
                            EXPECT_NO_THROW(deallocate(allocate(kMaxClassBytes)));
                          }});

  control.limit_chunks = limit;
  deallocate(other);
}

// As kills between a mark and its count leave it.
TEST_F(ArenaUnderKills, CountsOfFreeMemoryThatRunLowTakeNoMemoryFromFreeBlocks) {
  Control& control = mapping().control();
  void* held[8];
  for (void*& block : held) block = allocate(kMaxClassBytes);
  void* const run = allocate(2 * kChunkBytes);
  const std::size_t taken = usage().taken_bytes;
  const auto idle = control.idle_chunks.exchange(0) + 5;
  const auto cached = control.cached_chunks.exchange(0) + 5;
  control.idle_chunks -= 5;
  control.cached_chunks -= 5;

  for (void* const block : held) deallocate(block);
  deallocate(run);

  EXPECT_EQ(usage().taken_bytes, taken);
  control.idle_chunks += idle;
  control.cached_chunks += cached;
}

// Each takes blocks, marks them as its own and lets them go, with so little memory that what one
// has free is what another needs.
TEST_F(ArenaUnderKills, ProcessesThatTakeEachOthersMemoryTearNothing) {
  constexpr std::size_t kSizes[] = {1000, 9000, 60'000, 130'000, 300'000, 1'500'000};
  Control& control = mapping().control();
  blocks().trim();
  const std::uint64_t limit = control.limit_chunks;
  control.limit_chunks = blocks().chunks_with_memory() + 6;
  auto* const torn = static_cast<std::atomic<int>*>(allocate(64, BlockKind::kObject));
  auto* const taken = static_cast<std::atomic<int>*>(allocate(64, BlockKind::kObject));

  test::kill_at_random({.kills = test::rounds(300, 4000), .processes = 3, .work = [&](int) {
                          thread_local std::mt19937 random(self());
                          const std::size_t bytes = kSizes[random() % std::size(kSizes)];
                          std::vector<std::uint32_t*> own;
                          try {
                            while (own.size() < 40) {
                              own.push_back(static_cast<std::uint32_t*>(allocate(bytes)));
                              own.back()[0] = own.back()[bytes / 8] = self();
                              ++*taken;
                            }
                          } catch (const MemoryError&) {
                          }
                          for (std::uint32_t* block : own) {
                            if (block[0] != self() || block[bytes / 8] != self()) ++*torn;
                            deallocate(block);
                          }
                        }});

  EXPECT_EQ(*torn, 0);
  EXPECT_GT(*taken, 1000);
  deallocate(torn);
  deallocate(taken);
  expect_nothing_left();
  for (const std::size_t bytes : kSizes) deallocate(allocate(bytes));
  control.limit_chunks = limit;
}

// Where the walk goes through `once` it frees that run and has a process that ends make a longer
// one in its place, as may happen while the walk stands between two chunks.
struct LongerRun {
  void* once;
  std::byte* block;
};

void make_longer_run(void* context, void* block, OwnerWord&) {
  auto& run = *static_cast<LongerRun*>(context);
  if (block != run.once) return;
  run.once = nullptr;
  deallocate(block);
  test::in_child([bytes = 3 * kChunkBytes] { publish(std::memset(allocate(bytes), 0x5a, bytes)); });
  run.block = static_cast<std::byte*>(block);
}

TEST_F(ArenaUnderKills, APublishedRunOutlivesItsMakerWhileAWalkPassesThatSawWhatWasThereBefore) {
  deallocate(allocate(8 * kChunkBytes));  // that much room in one place
  LongerRun run{allocate(2 * kMaxClassBytes), nullptr};

  const std::size_t given_back = blocks().for_each(make_longer_run, &run);

  ASSERT_NE(run.block, nullptr);
  ASSERT_EQ(block_size(run.block), 3 * kChunkBytes);
  EXPECT_EQ(given_back, 0U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(run.block[i * kChunkBytes + 10], std::byte{0x5a}) << "chunk " << i;
  }
  ASSERT_TRUE(claim(run.block));
  deallocate(run.block);
  expect_nothing_left();
}

TEST_F(ArenaUnderKills, TheFirstUseInAProcessHarmsNobody) {
  kill_at_every_step(
      {.act = [] { static_cast<void>(allocate(64)); }, .check = [&] { expect_nothing_left(); }});
}

TEST_F(ArenaUnderKills, MakingAndDroppingAnObjectLeavesNothing) {
  kill_at_every_step({.approach = [] { self(); },
                      .act = [] { Handle made = make_object<Cell>(); },
                      .check = [&] { expect_nothing_left(); }});
}

TEST_F(ArenaUnderKills, DroppingAReferenceKeepsTheObjectForTheOthers) {
  Handle cell = make_object<Cell>();
  kill_at_every_step({.act = [&] { cell = {}; },
                      .check =
                          [&] {
                            expect_nothing_left(1);
                            EXPECT_EQ(cell.as<Cell>().value, 7);
                          }});
}

TEST_F(ArenaUnderKills, AParcelWithHandlesIsLetGoWhole) {
  Handle cell = make_object<Cell>();
  kill_at_every_step({.approach = [] { self(); },
                      .act = [&] { free_parcel(make_parcel(1000, 1, std::span(&cell, 1))); },
                      .check = [&] { expect_nothing_left(1); }});
  cell = {};
  expect_nothing_left();
}

TEST_F(ArenaUnderKills, AReferenceBeyondTheHeadersRoomHarmsNobody) {
  Handle cell = make_object<Cell>();
  std::vector<Parcel*> holders;
  for (std::size_t i = 0; i < ObjectHeader::kInline; ++i) {
    holders.push_back(make_parcel(1, 1, std::span(&cell, 1)));
  }
  kill_at_every_step({.approach = [] { self(); },
                      .act = [&] { free_parcel(make_parcel(1, 1, std::span(&cell, 1))); },
                      .check = [&] { note_death(); }});
  for (Parcel* holder : holders) free_parcel(holder);
  cell = {};
  expect_nothing_left();
}

// Parcels travel between the processes through these places.
struct Board {
  std::atomic<Offset> places[64];
  std::atomic<bool> torn;
};

void send_parcel(Parcel* parcel, std::atomic<Offset>& place) {
  publish(parcel);
  Offset none = 0;
  const bool sent = place.compare_exchange_strong(none, offset_of(parcel));
  if (!sent && claim(parcel)) free_parcel(parcel);
}

Handle take_parcel(Board& board, std::atomic<Offset>& place) {
  auto* parcel = at_as<Parcel>(place.exchange(0));
  if (parcel == nullptr || !claim(parcel)) return {};
  Handle got = adopt(parcel->handles()[0]);
  if (got.as<Cell>().value != 7) board.torn = true;
  free_parcel(parcel);
  return got;
}

void trade(Board& board, std::mt19937& random, std::vector<Handle>& own) {
  std::atomic<Offset>& place = board.places[random() % 64];
  const std::size_t bytes = random() % 8 == 0 ? random() % 4'000'000 : random() % 5000;
  switch (random() % 5) {
    case 0:
      own.push_back(make_object<Cell>());
      break;
    case 1:
      if (!own.empty()) own.erase(own.begin());
      break;
    case 2:
      if (own.empty()) break;
      send_parcel(make_parcel(bytes, 1, std::span(&own[random() % own.size()], 1)), place);
      break;
    case 3:
      if (Handle got = take_parcel(board, place)) own.push_back(std::move(got));
      break;
    default:
      deallocate(allocate(bytes + 1));
      break;
  }
  if (own.size() > 40) own.clear();
}

// Published parcels that no place names: a killed process had one in its hands.
void free_published_parcels() {
  const auto free_one = [](void*, void* block, OwnerWord& word) {
    if (kind_in(word.load()) == BlockKind::kParcel && claim(block)) {
      free_parcel(static_cast<Parcel*>(block));
    }
  };
  blocks().for_each(free_one, nullptr);
}

TEST_F(ArenaUnderKills, ThousandsOfTradesTearNothingAndLeaveNothingOfTheDead) {
  auto* board = static_cast<Board*>(allocate(sizeof(Board)));
  ::new (board) Board{};
  test::kill_at_random({.kills = test::rounds(300, 4000), .processes = 3, .work = [&](int) {
                          thread_local std::mt19937 random(self());
                          thread_local std::vector<Handle> own;
                          trade(*board, random, own);
                        }});
  EXPECT_FALSE(board->torn);
  note_death();
  free_published_parcels();
  deallocate(board);
  expect_nothing_left();
}

}  // namespace
}  // namespace multiprocessing::memory
