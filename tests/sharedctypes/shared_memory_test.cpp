// SPDX-License-Identifier: BSL-1.0
// Named blocks: their names, their bytes, and who removes them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <multiprocessing/connection.hpp>
#include <multiprocessing/context.hpp>
#include <multiprocessing/errors.hpp>
#include <multiprocessing/process.hpp>
#include <multiprocessing/queues.hpp>
#include <multiprocessing/shared_memory.hpp>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "named_block.hpp"

namespace mp = multiprocessing;
using mp::SharedMemory;
using mp::test::exists;

namespace {

template <class F> int errno_of(const F& f) {
  try {
    f();
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  return 0;
}

/// Removes the name of what a test leaves.
class Unlinked {
 public:
  explicit Unlinked(SharedMemory block) : block_(std::move(block)) {}
  Unlinked(const Unlinked&) = delete;
  Unlinked& operator=(const Unlinked&) = delete;
  ~Unlinked() {
    if (exists(block_.name())) block_.unlink();
  }

 private:
  SharedMemory block_;
};

std::size_t open_descriptors() {
  std::size_t n = 0;
  for (int fd = 0; fd < 4096; ++fd) n += ::fcntl(fd, F_GETFD) >= 0 ? 1U : 0U;
  return n;
}

TEST(SharedMemoryTest, HasANameLikePythonsAndTheSizeAskedFor) {
  SharedMemory block(mp::create, 1000);
  const Unlinked end(block);
  EXPECT_TRUE(block.name().starts_with("psm_")) << block.name();
  EXPECT_EQ(block.name().find_first_not_of("0123456789abcdef", 4), std::string::npos);
  EXPECT_EQ(block.name().size(), 12U);
  EXPECT_TRUE(exists(block.name()));
  EXPECT_EQ(block.size(), 1000);
  EXPECT_EQ(block.buf().size(), 1000);
  for (const std::byte byte : block.buf()) EXPECT_EQ(byte, std::byte{0});
  EXPECT_EQ(block.repr(), "SharedMemory('" + block.name() + "', size=1000)");
  EXPECT_EQ(fmt::format("{}", block), block.repr());
}

TEST(SharedMemoryTest, IsReadableForItsUserAlone) {
  SharedMemory block(mp::create, 1);
  const Unlinked end(block);
  struct stat status {};
  ASSERT_EQ(::stat(("/dev/shm/" + block.name()).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600);
}

TEST(SharedMemoryTest, WhoAttachesItSeesTheSameBytes) {
  SharedMemory block(mp::create, 8);
  const Unlinked end(block);
  block.buf()[3] = std::byte{42};
  SharedMemory same(block.name());
  EXPECT_EQ(same.size(), 8);
  EXPECT_EQ(same.buf()[3], std::byte{42});
  same.buf()[4] = std::byte{43};
  EXPECT_EQ(block.buf()[4], std::byte{43});
  EXPECT_FALSE(same == block);
}

TEST(SharedMemoryTest, ANameCanBeGivenAndHasNoSlash) {
  SharedMemory block(mp::create, 10, "mp_test_given");
  const Unlinked end(block);
  EXPECT_EQ(block.name(), "mp_test_given");
  EXPECT_EQ(SharedMemory("/mp_test_given").name(), "mp_test_given");
}

TEST(SharedMemoryTest, ATakenNameIsEexist) {
  SharedMemory block(mp::create, 10, "mp_test_taken");
  const Unlinked end(block);
  EXPECT_EQ(errno_of([] { SharedMemory(mp::create, 10, "mp_test_taken"); }), EEXIST);
  block.buf()[0] = std::byte{1};
  try {
    SharedMemory(mp::create, 10, "mp_test_taken");
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("'mp_test_taken': a block of this name exists"),
              std::string::npos)
        << error.what();
  }
  EXPECT_TRUE(exists("mp_test_taken"));
}

TEST(SharedMemoryTest, AMissingBlockIsEnoent) {
  EXPECT_EQ(errno_of([] { SharedMemory("mp_test_missing"); }), ENOENT);
  try {
    SharedMemory("mp_test_missing");
  } catch (const std::system_error& error) {
    EXPECT_NE(std::string(error.what()).find("'mp_test_missing'"), std::string::npos);
  }
}

TEST(SharedMemoryTest, ASizeOfNothingAndAnEmptyBlockAreRefused) {
  EXPECT_THROW(SharedMemory(mp::create, 0), mp::ValueError);
  EXPECT_THROW(SharedMemory(mp::create, -1), mp::ValueError);
  const int fd = ::open("/dev/shm/mp_test_empty", O_CREAT | O_RDWR | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  EXPECT_THROW(SharedMemory("mp_test_empty"), mp::ValueError);
  ::close(fd);
  ::unlink("/dev/shm/mp_test_empty");
}

TEST(SharedMemoryTest, ASizeThatNoFileHasIsAnErrorAndLeavesNoName) {
  EXPECT_NE(errno_of([] { SharedMemory(mp::create, INT64_MAX, "mp_test_huge"); }), 0);
  EXPECT_FALSE(exists("mp_test_huge"));
}

TEST(SharedMemoryTest, WhatCannotBeANameIsRefused) {
  EXPECT_EQ(errno_of([] { SharedMemory(mp::create, 1, ""); }), EINVAL);
  EXPECT_EQ(errno_of([] { SharedMemory(mp::create, 1, "a/b"); }), EINVAL);
  EXPECT_EQ(errno_of([] { SharedMemory(mp::create, 1, ".."); }), EINVAL);
  EXPECT_EQ(errno_of([] { SharedMemory("../etc/passwd"); }), EINVAL);
  EXPECT_EQ(errno_of([] { SharedMemory(mp::create, 1, std::string(256, 'x')); }), ENAMETOOLONG);
  EXPECT_THROW(SharedMemory(mp::create, 1, std::string("a\0b", 3)), mp::ValueError);
}

TEST(SharedMemoryTest, CloseEndsTheAccessOfAllCopiesAndKeepsTheName) {
  SharedMemory block(mp::create, 16);
  const Unlinked end(block);
  SharedMemory copy = block;
  copy.close();
  copy.close();
  EXPECT_THROW(static_cast<void>(block.buf()), mp::ValueError);
  EXPECT_EQ(block.size(), 16);
  EXPECT_TRUE(exists(block.name()));
  EXPECT_EQ(SharedMemory(block.name()).size(), 16);
}

TEST(SharedMemoryTest, DestructionNeverUnlinks) {
  std::string name;
  {
    const SharedMemory block(mp::create, 16);
    name = block.name();
  }
  SharedMemory again(name);
  const Unlinked end(again);
  EXPECT_EQ(again.size(), 16);
}

TEST(SharedMemoryTest, UnlinkRemovesTheNameOnceAndTheMemoryStays) {
  SharedMemory block(mp::create, 16);
  SharedMemory other(block.name());
  other.unlink();
  EXPECT_FALSE(exists(block.name()));
  block.buf()[0] = std::byte{7};
  EXPECT_EQ(other.buf()[0], std::byte{7});
  EXPECT_EQ(errno_of([&] { block.unlink(); }), ENOENT);
}

TEST(SharedMemoryTest, UnlinkLeavesABlockOfTheSameNameThatCameLater) {
  SharedMemory block(mp::create, 16, "mp_test_again");
  ASSERT_EQ(::unlink("/dev/shm/mp_test_again"), 0);
  SharedMemory later(mp::create, 16, "mp_test_again");
  const Unlinked end(later);
  EXPECT_EQ(errno_of([&] { block.unlink(); }), ENOENT);
  EXPECT_TRUE(exists("mp_test_again"));
}

TEST(SharedMemoryTest, ThousandBlocksLeaveNoDescriptor) {
  const std::size_t before = open_descriptors();
  for (int i = 0; i < 1000; ++i) {
    SharedMemory block(mp::create, 4096);
    // Whoever unlinks it: this handle, or another process.
    if (i % 2 == 0)
      block.unlink();
    else
      ::unlink(("/dev/shm/" + block.name()).c_str());
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST(SharedMemoryTest, TravelsByItsName) {
  SharedMemory block(mp::create, 8);
  const Unlinked end(block);
  auto [a, b] = mp::Pipe();
  a.send(block);
  auto received = b.recv<SharedMemory>();
  received.buf()[0] = std::byte{5};
  EXPECT_EQ(block.buf()[0], std::byte{5});
  mp::Queue<SharedMemory> queue;
  queue.put(block);
  EXPECT_EQ(queue.get().name(), block.name());
}

TEST(SharedMemoryTest, AProcessGetsItAsAnArgument) {
  SharedMemory block(mp::create, 8);
  const Unlinked end(block);
  for (const char* method : {"fork", "spawn"}) {
    block.buf()[1] = std::byte{0};
    mp::Process p = mp::get_context(method).Process(
        +[](SharedMemory given) { given.buf()[1] = std::byte{9}; }, block);
    p.start();
    p.join();
    EXPECT_EQ(p.exitcode(), 0);
    EXPECT_EQ(block.buf()[1], std::byte{9}) << method;
  }
}

TEST(SharedMemoryTest, ManyThreadsMakeBlocksAtOnce) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 100; ++i) {
        SharedMemory block(mp::create, 64);
        EXPECT_EQ(SharedMemory(block.name()).size(), 64);
        block.unlink();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
