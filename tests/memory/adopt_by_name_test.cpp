// SPDX-License-Identifier: BSL-1.0
// References to objects that nothing need protect, by their names; and who looks whether an object
// may end while somebody takes one.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "blocks_test.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "memory/object.hpp"
#include "memory/parcel.hpp"
#include "random_killer.hpp"
#include "step_killer.hpp"

namespace multiprocessing::memory {
namespace {

using namespace std::chrono_literals;

// Knows its own name, so that another object in its place is seen.
struct Cell : ObjectHeader {
  static constexpr ObjectKind kKind = ObjectKind::kNone;
  std::atomic<ObjectName> name{0};
};

Handle make_cell() {
  Handle cell = make_object<Cell>();
  cell.as<Cell>().name = name_of(cell);
  return cell;
}

using AdoptByName = BlocksTest;

TEST_F(AdoptByName, FindsALivingObjectAndKeepsIt) {
  Handle cell = make_cell();
  const ObjectName name = name_of(cell);

  EXPECT_EQ(adopt_if_alive(name).get(), cell.get());
  const pid_t child = ::fork();
  if (child == 0) {
    const Offset at = offset_of(cell.get());
    cell = {};
    cell = adopt_if_alive(name);
    ::_exit(cell && offset_of(cell.get()) == at && cell.as<Cell>().name == name ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  cell = {};
  expect_nothing_left();
}

TEST_F(AdoptByName, FindsNothingWhereTheObjectHasEnded) {
  Handle cell = make_cell();
  const ObjectName name = name_of(cell);
  cell = {};

  EXPECT_FALSE(adopt_if_alive(name));
  expect_nothing_left();
}

TEST_F(AdoptByName, FindsNothingWhereAnotherObjectHasTheMemory) {
  Handle first = make_cell();
  const Offset at = offset_of(first.get());
  const ObjectName name = name_of(first);
  first = {};
  std::vector<Handle> others;
  do {
    others.push_back(make_cell());
  } while (offset_of(others.back().get()) != at);

  EXPECT_FALSE(adopt_if_alive(name));
  EXPECT_EQ(adopt_if_alive(name_of(others.back())).get(), others.back().get());
}

TEST_F(AdoptByName, FindsNothingWhereAWholeChunkWasAndIsInPiecesNow) {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  Handle large = create_object(
      ObjectKind::kNone, 3 * kMiB, [](void*, void*) {}, nullptr);
  const Offset at = offset_of(large.get());
  const ObjectName name = name_of(large);
  large = {};
  std::vector<void*> pieces;
  do {
    pieces.push_back(allocate(100'000));
  } while (offset_of(pieces.back()) < at);

  EXPECT_FALSE(adopt_if_alive(name));
  for (void* const piece : pieces) deallocate(piece);
}

// Without it, one who looks at the words in turn could see neither the new reference nor the one
// that protected it, and end an object that this process has just taken.
TEST_F(AdoptByName, ANewReferenceWaitsForAThreadOfItsProcessThatLooksWhetherTheObjectMayEnd) {
  Handle cell = make_cell();
  const Offset at = offset_of(cell.get());
  const ObjectName name = name_of(cell);
  Parcel* const parcel = make_parcel(1, 1, std::span(&cell, 1));
  cell = {};

  for (const bool by_name : {false, true}) {
    ASSERT_TRUE(claim(at_as<void>(at)));
    auto adopted =
        std::async(std::launch::async, [&] { return by_name ? adopt_if_alive(name) : adopt(at); });
    EXPECT_EQ(adopted.wait_for(50ms), std::future_status::timeout);
    publish(at_as<void>(at));
    EXPECT_EQ(adopted.get().as<Cell>().name, name);
  }
  free_parcel(parcel);
  expect_nothing_left();
}

TEST_F(AdoptByName, HarmsNobodyWhereverItIsKilled) {
  Handle cell = make_cell();
  const ObjectName name = name_of(cell);

  test::kill_at_every_step({.approach =
                                [&] {
                                  self();
                                  cell = {};
                                },
                            .act = [&] { cell = adopt_if_alive(name); },
                            .check =
                                [&] {
                                  expect_nothing_left(1);
                                  EXPECT_EQ(cell.as<Cell>().name, name);
                                }});

  cell = {};
  expect_nothing_left();
}

TEST_F(AdoptByName, TakesOverAnObjectOfAKilledProcessWhereverItIsKilled) {
  struct Board {
    std::atomic<ObjectName> name;
    std::atomic<int> adopted;
  };
  auto& board = *::new (allocate(sizeof(Board))) Board{};
  const auto make_and_die = [&] {
    const pid_t child = ::fork();
    if (child == 0) {
      const Handle cell = make_cell();
      board.name = name_of(cell);
      ::raise(SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
  };
  Handle cell;

  test::kill_at_every_step({.arrange = make_and_die,
                            .approach = [] { self(); },
                            .act =
                                [&] {
                                  cell = adopt_if_alive(board.name);
                                  if (cell.as<Cell>().name == board.name) ++board.adopted;
                                },
                            .check = [&] { expect_nothing_left(1); }});

  EXPECT_GT(board.adopted, 0);
  deallocate(&board);
  expect_nothing_left();
}

TEST_F(AdoptByName, GivesTheObjectOrNothingWhileItsHoldersAreKilled) {
  struct Board {
    std::atomic<ObjectName> names[8];
    std::atomic<bool> torn;
    std::atomic<int> adopted;
  };
  auto& board = *::new (allocate(sizeof(Board))) Board{};
  const auto trade = [&](int) {
    thread_local std::mt19937 random(self());
    thread_local std::vector<Handle> own;
    std::atomic<ObjectName>& place = board.names[random() % std::size(board.names)];
    if (random() % 3 == 0) {
      own.push_back(make_cell());
      place = name_of(own.back());
    } else if (const ObjectName name = place; name != 0) {
      if (Handle cell = adopt_if_alive(name)) {
        if (cell.as<Cell>().name != name) board.torn = true;
        own.push_back(std::move(cell));
        ++board.adopted;
      }
    }
    for (const Handle& cell : own) {
      if (cell.as<Cell>().name != name_of(cell)) board.torn = true;
    }
    if (own.size() > 4) own.erase(own.begin());
    if (random() % 64 == 0) note_death();
  };

  test::kill_at_random({.kills = test::rounds(300, 4000), .processes = 3, .work = trade});

  EXPECT_FALSE(board.torn);
  EXPECT_GT(board.adopted, 0);
  deallocate(&board);
  expect_nothing_left();
}

}  // namespace
}  // namespace multiprocessing::memory
