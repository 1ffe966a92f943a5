// SPDX-License-Identifier: BSL-1.0
// Blocks and lists that Debian's python3 attaches, and that it makes.
#include <gtest/gtest.h>

#include <algorithm>
#include <multiprocessing/shared_memory.hpp>
#include <string>
#include <system_error>

#include "python_peer.hpp"

namespace mp = multiprocessing;
using mp::Object;
using mp::ShareableList;
using mp::SharedMemory;

namespace {

class SharedMemoryPythonTest : public testing::Test {
 protected:
  std::string ask(const std::string& question) {
    python.send(question);
    return python.receive();
  }
  void TearDown() override { EXPECT_EQ(python.finish(), 0); }

  mp::test::PythonPeer python{SHAREDCTYPES_TESTS_FOLDER "/shared_memory_peer.py", {}};
};

TEST_F(SharedMemoryPythonTest, PythonReadsAndWritesOurBlock) {
  SharedMemory block(mp::create, 4);
  block.buf()[0] = std::byte{0xab};
  EXPECT_EQ(ask("read " + block.name()), "ab000000");
  EXPECT_EQ(ask("write " + block.name() + " 0102"), "ok");
  EXPECT_EQ(block.buf()[1], std::byte{2});
  block.unlink();
  EXPECT_EQ(ask("read " + block.name()), "FileNotFoundError");
}

TEST_F(SharedMemoryPythonTest, WeReadAndWritePythonsBlock) {
  SharedMemory block(ask("create 1000"));
  EXPECT_EQ(block.size(), 1000);
  block.buf()[999] = std::byte{0xcd};
  EXPECT_EQ(ask("read " + block.name()).substr(1998), "cd");
  SharedMemory::cleanup_stale();
  EXPECT_EQ(SharedMemory(block.name()).size(), 1000);
  block.unlink();
}

TEST_F(SharedMemoryPythonTest, PythonUnlinksOurBlock) {
  SharedMemory block(mp::create, 4);
  EXPECT_EQ(ask("unlink " + block.name()), "ok");
  EXPECT_THROW(block.unlink(), std::system_error);
  EXPECT_EQ(block.buf().size(), 4);
}

TEST_F(SharedMemoryPythonTest, PythonReadsAndChangesOurList) {
  ShareableList list{1, "two", 3.5, nullptr, true, false, Object::bytes("\xff\x01"), "€"};
  const std::string name = list.shm().name();
  EXPECT_EQ(ask("list " + name), R"([1, 'two', 3.5, None, True, False, b'\xff\x01', '€'])");
  EXPECT_EQ(ask("format " + name), list.format());
  EXPECT_EQ(ask("set " + name + " 0 'text'"), "ok");
  EXPECT_EQ(ask("set " + name + " 1 -9223372036854775808"), "ok");
  EXPECT_EQ(ask("set " + name + " 2 None"), "ok");
  EXPECT_EQ(ask("set " + name + " 3 True"), "ok");
  EXPECT_EQ(ask("set " + name + " 4 b'12345678'"), "ok");
  EXPECT_EQ(ask("set " + name + " 5 'nine !!!!'"), "ValueError");
  list[6] = "changed";
  EXPECT_EQ(list[0], "text");
  EXPECT_EQ(list[1], INT64_MIN);
  EXPECT_TRUE(list[2].is_none());
  EXPECT_EQ(list[3].repr(), "True");
  EXPECT_EQ(list[4], Object::bytes("12345678"));
  EXPECT_EQ(ask("list " + name),
            "['text', -9223372036854775808, None, True, b'12345678', False, 'changed', '€']");
  EXPECT_EQ(ask("format " + name), list.format());
  list.shm().unlink();
}

TEST_F(SharedMemoryPythonTest, WeReadAndChangePythonsList) {
  const std::string name = ask("make [0, -1.5, 'a text of 17 ...', b'', None, True, '12345678']");
  ShareableList list(name);
  EXPECT_EQ(list.repr(),
            "ShareableList([0, -1.5, 'a text of 17 ...', b'', None, True, "
            "'12345678'], name='" +
                name + "')");
  list[0] = "zero";
  list[2] = 2;
  list[3] = nullptr;
  list[4] = "none";
  list[6] = "0123456789abcdef";
  EXPECT_EQ(ask("list " + name), "['zero', -1.5, 2, None, 'none', True, '0123456789abcdef']");
  EXPECT_EQ(ask("format " + name), list.format());
  list.shm().unlink();
}

TEST_F(SharedMemoryPythonTest, OurListTakesTheBytesThatPythonsTakes) {
  const std::string items = "[1, 'two', 3.0, None, True, b'bytes', '12345678', '']";
  SharedMemory theirs(ask("make " + items));
  ShareableList ours{1, "two", 3.0, nullptr, true, Object::bytes("bytes"), "12345678", ""};
  ASSERT_EQ(ours.shm().size(), theirs.size());
  EXPECT_TRUE(std::ranges::equal(ours.shm().buf(), theirs.buf()));
  SharedMemory empty(ask("make []"));
  EXPECT_EQ(empty.size(), 16);
  for (SharedMemory* block : {&theirs, &ours.shm(), &empty}) block->unlink();
}

}  // namespace
