// SPDX-License-Identifier: BSL-1.0
// Who removes a block's name has a turn, which others wait for; whoever is stopped in it does not
// hold them up for ever.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <multiprocessing/shared_memory.hpp>
#include <string>
#include <system_error>

#include "child.hpp"
#include "fresh_program.hpp"
#include "named_block.hpp"
#include "os/fd.hpp"
#include "sharedctypes/block_names.hpp"
#include "watchdog.hpp"

namespace mp = multiprocessing;
using mp::SharedMemory;
using mp::test::Child;
using mp::test::eventually;
using mp::test::exists;
using mp::test::make_block;

namespace {

// Has the turn to remove a block, as somebody who was stopped in it.
class TurnToRemove {
 public:
  explicit TurnToRemove(const std::string& name)
      : fd_(::open(("/dev/shm/" + name).c_str(), O_RDWR | O_CLOEXEC)) {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    EXPECT_EQ(::fcntl(fd_.get(), F_OFD_SETLK, &whole), 0);
  }

 private:
  mp::os::Fd fd_;
};

TEST(BlockTurnTest, CleanupStaleGoesOnWhenAnotherThatRemovesABlockDoesNot) {
  const mp::test::Watchdog watchdog;
  Child maker([] {
    make_block("mp_names_q");
    return ::pause();
  });
  ASSERT_TRUE(eventually([] { return exists("mp_names_q"); }));
  {
    const TurnToRemove turn("mp_names_q");
    maker.kill();
    SharedMemory::cleanup_stale();
    EXPECT_TRUE(exists("mp_names_q"));
  }
  SharedMemory::cleanup_stale();
  EXPECT_FALSE(exists("mp_names_q"));
}

TEST(BlockTurnTest, NamesAreUnlinkedByOneAtATimeSoThatNobodyRemovesTheNextBlockOfTheName) {
  const mp::test::Watchdog watchdog;
  SharedMemory block(mp::create, 100, "mp_names_r");
  {
    const TurnToRemove turn("mp_names_r");
    try {
      block.unlink();
      ADD_FAILURE();
    } catch (const std::system_error& error) {
      EXPECT_EQ(error.code().value(), ETIMEDOUT);
    }
    EXPECT_TRUE(exists("mp_names_r"));
  }
  block.unlink();
  EXPECT_FALSE(exists("mp_names_r"));
}

FRESH_SCENARIO(ends_while_another_has_the_turn_to_remove_its_block) {
  make_block("mp_names_s");
  auto turn = std::make_unique<TurnToRemove>("mp_names_s");
  const pid_t program = ::getpid();
  if (::fork() != 0) return 0;
  while (::getppid() == program) ::usleep(1000);
  turn.reset();
  std::exit(0);
}

TEST(BlockTurnTest, ANameThatStaysWhenTheProgramEndsGoesWhenItsChildEnds) {
  EXPECT_EQ(test::run_fresh("ends_while_another_has_the_turn_to_remove_its_block"), 0);
  EXPECT_TRUE(eventually([] { return !exists("mp_names_s"); }));
}

TEST(BlockTurnTest, ANameThatAManagerCouldNotUnlinkGoesWhenTheProgramEnds) {
  mp::SharedMemoryManager manager;
  const auto block = manager.SharedMemory(1);
  {
    const TurnToRemove turn(block.name());
    manager.shutdown();
  }
  EXPECT_TRUE(exists(block.name()));

  mp::sharedctypes::remove_names_at_end();

  EXPECT_FALSE(exists(block.name()));
}

}  // namespace
