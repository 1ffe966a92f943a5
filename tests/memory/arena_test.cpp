// SPDX-License-Identifier: BSL-1.0
#include "memory/arena.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <vector>

#include "memory/object.hpp"
#include "memory/parcel.hpp"

namespace multiprocessing::memory {
namespace {

int exit_code_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

template <class F> pid_t fork_child(F f) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(f());
  return child;
}

TEST(Arena, EveryBlockIsAlignedAndAtLeastAsLargeAsAsked) {
  for (std::size_t bytes : {1UL, 64UL, 65UL, 128UL, 193UL, 4096UL, 100'000UL, 131'072UL, 131'073UL,
                            1UL << 20, (1UL << 20) + 1, 5UL << 20}) {
    void* block = allocate(bytes);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 64, 0U);
    EXPECT_GE(block_size(block), bytes);
    EXPECT_EQ(owner(block), self());
    std::memset(block, 0x5a, bytes);
    deallocate(block);
    EXPECT_EQ(owner(block), kNobody);
  }
}

TEST(Arena, BlocksDoNotOverlap) {
  std::mt19937 random(7);
  std::vector<std::pair<unsigned char*, std::size_t>> held;
  for (int round = 0; round < 20'000; ++round) {
    if (held.size() < 200 && random() % 3 != 0) {
      const std::size_t bytes = random() % 10 == 0 ? random() % 3'000'000 + 1 : random() % 3000 + 1;
      auto* block = static_cast<unsigned char*>(allocate(bytes));
      std::memset(block, static_cast<int>(bytes & 0xff), std::min<std::size_t>(bytes, 4096));
      held.emplace_back(block, bytes);
    } else if (!held.empty()) {
      const std::size_t i = random() % held.size();
      auto [block, bytes] = held[i];
      for (std::size_t b = 0; b < std::min<std::size_t>(bytes, 4096); ++b) {
        ASSERT_EQ(block[b], bytes & 0xff);
      }
      deallocate(block);
      held[i] = held.back();
      held.pop_back();
    }
  }
  for (auto [block, bytes] : held) deallocate(block);
}

TEST(Arena, ADeadProcessesBlocksAreSwept) {
  const std::size_t before = usage().blocks;
  const pid_t child = fork_child([] {
    for (int i = 0; i < 100; ++i) static_cast<void>(allocate(1000));
    static_cast<void>(allocate(3 << 20));
    return 0;
  });
  EXPECT_EQ(exit_code_of(child), 0);
  EXPECT_EQ(usage().blocks, before + 101);
  note_death();
  EXPECT_EQ(usage().blocks, before);
}

struct Cell : ObjectHeader {
  static constexpr ObjectKind kKind = ObjectKind::kNone;
  explicit Cell(int v) : value(v) {}
  std::atomic<int> value;
};

TEST(Objects, LiveUntilTheLastHandleIsGone) {
  const std::size_t before = usage().blocks;
  {
    Handle a = make_object<Cell>(7);
    Handle b = a;
    a = {};
    EXPECT_EQ(b.as<Cell>().value, 7);
    EXPECT_EQ(usage().blocks, before + 1);
  }
  EXPECT_EQ(usage().blocks, before);
}

TEST(Objects, AChildsReferenceOutlivesTheParents) {
  const std::size_t before = usage().blocks;
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  Handle a = make_object<Cell>(7);
  const pid_t child = fork_child([&] {
    char c = 0;
    if (::read(go[0], &c, 1) != 1) return 1;
    return a.as<Cell>().value == 7 ? 0 : 2;
  });
  a = {};
  EXPECT_EQ(usage().blocks, before + 1);
  ASSERT_EQ(::write(go[1], "x", 1), 1);
  EXPECT_EQ(exit_code_of(child), 0);
  note_death();
  EXPECT_EQ(usage().blocks, before);
}

TEST(Objects, AreDestroyedOnceTheirLastHolderIsKilled) {
  const std::size_t before = usage().blocks;
  const pid_t child = fork_child([] {
    std::vector<Handle> many;
    for (int i = 0; i < 100; ++i) many.push_back(make_object<Cell>(i));
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  EXPECT_EQ(exit_code_of(child), -SIGKILL);
  note_death();
  EXPECT_EQ(usage().blocks, before);
}

TEST(Objects, MoreHoldersThanTheHeaderHasRoomForAreCounted) {
  const std::size_t before = usage().blocks;
  int go[2];
  ASSERT_EQ(::pipe(go), 0);
  Handle a = make_object<Cell>(7);
  std::vector<pid_t> children;
  for (int i = 0; i < 40; ++i) {
    children.push_back(fork_child([&] {
      char c = 0;
      const bool ok = ::read(go[0], &c, 1) == 1 && a.as<Cell>().value == 7;
      return ok ? 0 : 1;
    }));
  }
  a = {};
  EXPECT_GT(usage().blocks, before);
  for (std::size_t i = 0; i < children.size(); ++i) ASSERT_EQ(::write(go[1], "x", 1), 1);
  for (pid_t child : children) EXPECT_EQ(exit_code_of(child), 0);
  note_death();
  EXPECT_EQ(usage().blocks, before);
}

TEST(Parcels, KeepTheObjectsInThemAlive) {
  const std::size_t before = usage().blocks;
  Handle a = make_object<Cell>(9);
  const Offset at_a = offset_of(a.get());
  Parcel* parcel = make_parcel(100, 1, std::span(&a, 1));
  publish(parcel);
  a = {};
  EXPECT_EQ(usage().blocks, before + 2);
  ASSERT_TRUE(claim(parcel));
  a = adopt(at_a);
  free_parcel(parcel);
  EXPECT_EQ(a.as<Cell>().value, 9);
  a = {};
  EXPECT_EQ(usage().blocks, before);
}

TEST(Identity, AKilledProcessIsDeadAtOnceAndALivingOneIsNot) {
  self();  // The first user makes the arena: a child that came before it would have its own.
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = fork_child([&] {
    const Serial own = self();
    if (::write(pipe_ends[1], &own, sizeof own) != sizeof own) return 1;
    for (;;) ::pause();
  });
  Serial serial = 0;
  ASSERT_EQ(::read(pipe_ends[0], &serial, sizeof serial), static_cast<ssize_t>(sizeof serial));
  EXPECT_FALSE(dead(serial));
  EXPECT_EQ(who(serial).pid, child);
  ::kill(child, SIGKILL);
  EXPECT_TRUE(wait_for_death(serial, os::Deadline::after(std::chrono::seconds(5))));
  EXPECT_TRUE(dead(serial));
  exit_code_of(child);
}

}  // namespace
}  // namespace multiprocessing::memory
