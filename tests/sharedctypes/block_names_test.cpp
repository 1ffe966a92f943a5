// SPDX-License-Identifier: BSL-1.0
// Who removes the names of blocks that nobody unlinked.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/shared_memory.hpp>
#include <string>

#include "child.hpp"
#include "fresh_program.hpp"
#include "long_form.hpp"
#include "memory/arena.hpp"
#include "named_block.hpp"
#include "random_killer.hpp"
#include "step_killer.hpp"
#include "watchdog.hpp"

namespace mp = multiprocessing;
using mp::SharedMemory;
using mp::test::Child;
using mp::test::eventually;
using mp::test::exists;
using mp::test::make_block;

namespace {

FRESH_SCENARIO(makes_a_block) {
  make_block("mp_names_a");
  return exists("mp_names_a") ? 0 : 1;
}

TEST(BlockNamesTest, GoWhenTheProgramEnds) {
  EXPECT_EQ(test::run_fresh("makes_a_block"), 0);
  EXPECT_FALSE(exists("mp_names_a"));
}

FRESH_SCENARIO(has_a_child_that_makes_a_block) {
  mp::Process child(make_block, "mp_names_b");
  child.start();
  child.join();
  return exists("mp_names_b") && SharedMemory("mp_names_b").size() == 100 ? 0 : 1;
}

TEST(BlockNamesTest, OutliveTheProcessThatMadeThemAndGoWithTheProgram) {
  EXPECT_EQ(test::run_fresh("has_a_child_that_makes_a_block"), 0);
  EXPECT_FALSE(exists("mp_names_b"));
}

void make_and_die(const char* name) {
  make_block(name);
  ::raise(SIGKILL);
}

FRESH_SCENARIO(has_a_child_that_makes_a_block_and_is_killed) {
  mp::Process child(make_and_die, "mp_names_c");
  child.start();
  child.join();
  return child.exitcode() == -SIGKILL ? 0 : 1;
}

TEST(BlockNamesTest, OfAKilledProcessGoWithTheProgram) {
  EXPECT_EQ(test::run_fresh("has_a_child_that_makes_a_block_and_is_killed"), 0);
  EXPECT_FALSE(exists("mp_names_c"));
}

FRESH_SCENARIO(is_killed_and_its_child_ends) {
  make_block("mp_names_d");
  mp::Process child([] {
    make_block("mp_names_e");
    while (mp::parent_process()->is_alive()) ::usleep(1000);
  });
  child.start();
  while (!exists("mp_names_e")) ::usleep(1000);
  return ::raise(SIGKILL);
}

TEST(BlockNamesTest, OfAKilledProgramGoWhenItsChildEnds) {
  EXPECT_EQ(test::run_fresh("is_killed_and_its_child_ends"), -SIGKILL);
  EXPECT_TRUE(eventually([] { return !exists("mp_names_d") && !exists("mp_names_e"); }));
}

FRESH_SCENARIO(uses_no_process_and_forks_one_that_exits) {
  make_block("mp_names_f");
  const pid_t child = ::fork();
  if (child == 0) std::exit(0);
  ::waitpid(child, nullptr, 0);
  return exists("mp_names_f") ? 0 : 1;
}

TEST(BlockNamesTest, StayWhenAForkedProcessExits) {
  EXPECT_EQ(test::run_fresh("uses_no_process_and_forks_one_that_exits"), 0);
  EXPECT_FALSE(exists("mp_names_f"));
}

FRESH_SCENARIO(makes_a_block_and_is_killed) {
  make_block("mp_names_g");
  return ::raise(SIGKILL);
}

TEST(BlockNamesTest, CleanupStaleRemovesThoseOfTheDead) {
  EXPECT_EQ(test::run_fresh("makes_a_block_and_is_killed"), -SIGKILL);
  SharedMemory::cleanup_stale();
  EXPECT_FALSE(exists("mp_names_g"));
}

TEST(BlockNamesTest, CleanupStaleLeavesThoseOfTheLiving) {
  SharedMemory own(mp::create, 1);
  Child child([] {
    SharedMemory closed(mp::create, 1, "mp_names_h");
    closed.close();
    return ::pause();
  });
  ASSERT_TRUE(eventually([] { return exists("mp_names_h"); }));

  SharedMemory::cleanup_stale();

  EXPECT_TRUE(exists(own.name()));
  EXPECT_TRUE(exists("mp_names_h"));
  own.unlink();
  child.kill();
  SharedMemory::cleanup_stale();
  EXPECT_FALSE(exists("mp_names_h"));
}

TEST(BlockNamesTest, AStaleNameIsGoneAfterCleanupStaleAlsoIfAnotherCleansAtTheSameTime) {
  const Child other([] {
    for (;;) SharedMemory::cleanup_stale();
  });
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(mp::test::in_child([] { make_and_die("mp_names_p"); }), -SIGKILL);
    SharedMemory::cleanup_stale();
    ASSERT_FALSE(exists("mp_names_p")) << "round " << i;
  }
}

// The block is stale although the maker's child lives, which inherits what `keep` keeps of it.
template <class Keep> void expect_stale_beside_a_child(const std::string& name, Keep keep) {
  const std::string forked = name + "_forked";
  int until_closed[2];
  ASSERT_EQ(::pipe2(until_closed, O_CLOEXEC), 0);
  Child maker([&] {
    [[maybe_unused]] const auto kept = keep(name.c_str());
    if (::fork() == 0) {
      ::close(until_closed[1]);
      char none = 0;
      return static_cast<int>(::read(until_closed[0], &none, 1));
    }
    make_block(forked.c_str());
    return ::pause();
  });
  ASSERT_TRUE(eventually([&] { return exists(forked); }));
  maker.kill();

  EXPECT_TRUE(eventually([&] {
    SharedMemory::cleanup_stale();
    return !exists(name);
  }));
  ::close(until_closed[0]);
  ::close(until_closed[1]);
}

TEST(BlockNamesTest, TheChildrenOfAMakerDoNotKeepItAlive) {
  expect_stale_beside_a_child("mp_names_i", [](const char* name) { return make_block(name), 0; });
}

TEST(BlockNamesTest, TheMemoryOfADeadMakerDoesNotKeepItAlive) {
  expect_stale_beside_a_child("mp_names_o",
                              [](const char* name) { return SharedMemory(mp::create, 100, name); });
}

TEST(BlockNamesTest, CleanupStaleLeavesWhatOthersMade) {
  const int fd = ::open("/dev/shm/psm_mp_names_j", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  ::close(fd);
  SharedMemory::cleanup_stale();
  EXPECT_TRUE(exists("psm_mp_names_j"));
  ::unlink("/dev/shm/psm_mp_names_j");
}

// What the arena holds when the dead have been swept.
std::size_t arena_blocks() {
  mp::memory::note_death();
  return mp::memory::usage().blocks;
}

// Of a dead maker's names it may be another test that is quicker, with its cleanup_stale().
void unlink_from_elsewhere(const std::string& name) {
  ::unlink(("/dev/shm/" + name).c_str());
  ASSERT_FALSE(exists(name));
}

TEST(BlockNamesTest, TakeNoMoreMemoryWhenOthersUnlinkWhatALivingProcessMakes) {
  const auto make_some = [] {
    for (int i = 0; i < 100; ++i) unlink_from_elsewhere(SharedMemory(mp::create, 1).name());
  };
  make_some();
  const std::size_t before = arena_blocks();
  make_some();
  EXPECT_EQ(arena_blocks(), before);
}

TEST(BlockNamesTest, TakeNoMoreMemoryWhenOthersUnlinkWhatDeadProcessesMade) {
  const auto make_one_elsewhere = [] {
    ASSERT_EQ(mp::test::in_child([] { make_block("mp_names_m"); }), 0);
    unlink_from_elsewhere("mp_names_m");
  };
  make_one_elsewhere();
  const std::size_t before = arena_blocks();
  for (int i = 0; i < 10; ++i) make_one_elsewhere();
  EXPECT_EQ(arena_blocks(), before);
}

TEST(BlockNamesTest, WhoeverIsKilledAtAnyInstructionOfMakingOneLeavesWhatCleanupStaleRemoves) {
  const mp::test::Watchdog watchdog{std::chrono::minutes(10)};
  SharedMemory(mp::create, 1).unlink();
  mp::test::kill_at_every_step({.act = [] { make_block("mp_names_k"); },
                                .check =
                                    [] {
                                      SharedMemory::cleanup_stale();
                                      EXPECT_FALSE(exists("mp_names_k"));
                                      SharedMemory own(mp::create, 10, "mp_names_k");
                                      EXPECT_EQ(SharedMemory("mp_names_k").size(), 10);
                                      own.unlink();
                                    }});
}

TEST(BlockNamesTest, WhoeverIsKilledWhileTheListOfNamesGrowsLosesNoMemory) {
  const mp::test::Watchdog watchdog{std::chrono::minutes(10)};
  std::vector<SharedMemory> own;
  own.emplace_back(mp::create, 1);
  const std::size_t before = arena_blocks();
  mp::test::kill_at_every_step(
      {// Takes the entry that may be free, so that the next one is new.
       .arrange = [&] { own.emplace_back(mp::create, 1); },
       .act = [] { make_block("mp_names_n"); },
       .check =
           [&] {
             SharedMemory::cleanup_stale();
             EXPECT_LE(arena_blocks(), before + own.size());
           }},
      // Each kill makes the list longer, which all later ones walk through.
      {.every = 5});
  for (SharedMemory& block : own) block.unlink();
}

TEST(BlockNamesTest, ManyProcessesThatAreKilledInTheMidstLeaveNothing) {
  const mp::test::Watchdog watchdog{std::chrono::minutes(10)};
  mp::test::kill_at_random({.kills = mp::test::rounds(50, 1000),
                            .processes = 3,
                            .work =
                                [](int number) {
                                  const std::string name = "mp_names_l" + std::to_string(number);
                                  SharedMemory block(mp::create, 100, name);
                                  block.unlink();
                                },
                            .check = [] { SharedMemory::cleanup_stale(); }});
  SharedMemory::cleanup_stale();
  for (int number = 0; number < 3; ++number)
    EXPECT_FALSE(exists("mp_names_l" + std::to_string(number)));
}

TEST(BlockNamesTest, AManagerUnlinksItsBlocks) {
  std::string first;
  std::string second;
  {
    mp::SharedMemoryManager manager;
    auto block = manager.SharedMemory(100);
    auto list = manager.ShareableList({1, "two"});
    first = block.name();
    second = list.shm().name();
    EXPECT_EQ(SharedMemory(first).size(), 100);
    EXPECT_TRUE(exists(second));
  }
  EXPECT_FALSE(exists(first));
  EXPECT_FALSE(exists(second));
}

TEST(BlockNamesTest, AManagerIsStartedAndShutDownAsInPython) {
  mp::SharedMemoryManager manager;
  manager.start();
  const auto block = manager.SharedMemory(1);
  manager.shutdown();
  EXPECT_FALSE(exists(block.name()));
  EXPECT_THROW(manager.start(), mp::ProcessError);
}

TEST(BlockNamesTest, AManagerEndsWithItsLastHandleInTheProcessThatMadeIt) {
  mp::SharedMemoryManager manager;
  const auto block = manager.SharedMemory(1);
  { const mp::SharedMemoryManager copy = manager; }
  EXPECT_EQ(mp::test::in_child([&] {
              const mp::SharedMemoryManager moved = std::move(manager);
              return 0;
            }),
            0);
  EXPECT_TRUE(exists(block.name()));
  manager.shutdown();
  manager.shutdown();
  EXPECT_FALSE(exists(block.name()));
  EXPECT_THROW(static_cast<void>(manager.SharedMemory(1)), mp::ValueError);
}

TEST(BlockNamesTest, AManagerUnlinksWhatOtherProcessesMadeThroughIt) {
  mp::SharedMemoryManager manager;
  const mp::SimpleQueue<std::string> names;
  mp::Process child(
      [](mp::SharedMemoryManager given, mp::SimpleQueue<std::string> made) {
        made.put(given.SharedMemory(10).name());
        made.put(given.ShareableList({"name"}).shm().name());
      },
      manager, names);
  child.start();
  child.join();
  ASSERT_EQ(child.exitcode(), 0);
  const std::string block = names.get();
  const std::string list = names.get();
  EXPECT_TRUE(exists(block));
  EXPECT_TRUE(exists(list));

  manager.shutdown();

  EXPECT_FALSE(exists(block));
  EXPECT_FALSE(exists(list));
}

}  // namespace
